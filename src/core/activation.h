// SPDX-License-Identifier: Apache-2.0
// The nonlinearities of feed-forward layers, named as in Hugging Face's configs.
#pragma once

namespace switchyard {

// gelu is exact, with erf; gelu_new is its tanh approximation (Hendrycks & Gimpel 2016, arXiv
// 1606.08415).
enum class Activation { relu, gelu, gelu_new, silu };

}  // namespace switchyard
