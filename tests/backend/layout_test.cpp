// SPDX-License-Identifier: Apache-2.0
// Packed forms of weights on the CPU: without a value, and read by kernels of an instruction set
// they were not packed for. A separate program: lowering the cap cannot be undone.
#include <cstdlib>
#include <string>

#include "simd/packed_gemm.h"
#include "simd/targets.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "tests/support/catch.h"

namespace switchyard {
namespace {

// As loaded from a file that has only the packed form.
TEST_CASE("a weight without a value does what its packed form allows") {
  const bool in_bf16 = GENERATE(false, true);
  CAPTURE(in_bf16);
  const DType type = in_bf16 ? DType::bf16 : DType::f32;
  const auto ctx = make_context({1, !in_bf16, type}), plain = make_context({1});
  constexpr std::int64_t kTokens = 3, kIn = 8, kOut = 16;
  const auto matrix = [&](std::int64_t rows, std::int64_t cols) {
    const View v = ctx->scratch.make(rows, cols, type);
    fill(*ctx, 2, v);
    return v;
  };
  const View x = matrix(kTokens, kIn), y = matrix(kTokens, kOut), dx = matrix(kTokens, kIn);
  const Tensor value(*ctx, kOut, kIn);
  fill(*ctx, 3, value);
  Weight weight;
  weight.value = value;
  CHECK(prepare_weight(*ctx, weight));
  weight.forget_value();
  const auto first_of = [&](const View& v) {
    const View f32 = ctx->scratch.make(1, 1);
    copy(*ctx, v.slice_rows(0, 1).slice_cols(0, 1), f32);
    float result = 0;
    download(*ctx, f32, &result, 1);
    return result;
  };

  linear(*ctx, x, weight, y);
  CHECK(first_of(y) == 48);
  CHECK_THROWS_AS(prepare_weight(*ctx, weight), Error);
  Weight wo = weight;
  wo.value.rows = kIn;
  wo.value.cols = kOut;
  const auto table = make_expert_table(*ctx, {{weight, {}, wo}});
  const Tensor offsets(*ctx, 1, 2, DType::i32);
  const std::int32_t all[] = {0, 0};
  upload(*ctx, all, 2, offsets);
  Routing routing;
  routing.expert_offsets = offsets;
  ExpertCall call;
  call.experts = table.get();
  FfnSaved saved{matrix(kTokens, kOut), {}};
  experts(*ctx, call, routing, x, saved, dx);
  const Tensor id(*ctx, 1, 1, DType::i32), row(*ctx, 1, kIn);
  embed(*ctx, weight, id, row);
  CHECK(first_of(row) == 3);
  if (in_bf16) {
    linear_backward_input(*ctx, y, weight, dx);
    CHECK(first_of(dx) == 48 * 3 * 16);
    CHECK_THROWS_AS(linear(*plain, Tensor(*plain, 1, kIn), weight, Tensor(*plain, 1, kOut)), Error);
  } else {
    CHECK_THROWS_AS(linear_backward_input(*ctx, y, weight, dx), Error);
    const ExpertsBackwardInput in{.x = x, .hidden = saved.hidden, .gate = {}, .dy = x};
    CHECK_THROWS_AS(experts_backward(*ctx, call, routing, in, dx, {}), Error);
    linear(*plain, x, weight, y);
    CHECK(first_of(y) == 48);
  }
}

TEST_CASE("a weight packed for another instruction set is an error, not garbage") {
  const auto ctx = make_context({1, true});
  constexpr std::int64_t kTokens = 2, kIn = 8, kOut = 48;
  const Tensor x(*ctx, kTokens, kIn), y(*ctx, kTokens, kOut), value(*ctx, kOut, kIn);
  fill(*ctx, 1, x);
  fill(*ctx, 2, value);
  Weight weight;
  weight.value = value;
  prepare_weight(*ctx, weight);
  const auto first_result = [&] {
    linear(*ctx, x, weight, y);
    float result = 0;
    download(*ctx, y.view().slice_rows(0, 1).slice_cols(0, 1), &result, 1);
    return result;
  };
  CHECK(first_result() == 16);
  const std::int64_t panel = simd::packed_gemm_panel();

  setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
  simd::apply_isa_cap();
  if (simd::packed_gemm_panel() == panel) return;  // it was SSE4 already
  std::string message;
  try {
    linear(*ctx, x, weight, y);
  } catch (const Error& e) {
    message = e.what();
  }
  CAPTURE(message);
  CHECK(message.find(std::to_string(panel) + " outputs") != std::string::npos);
  CHECK(message.find(simd::target_name()) != std::string::npos);

  // Experts read their weights in a parallel loop, which cannot throw.
  const auto table = make_expert_table(*ctx, {{weight, {}, weight}});
  const Tensor offsets(*ctx, 1, 2, DType::i32);
  const std::int32_t all[] = {0, kTokens};
  upload(*ctx, all, 2, offsets);
  Routing routing;
  routing.expert_offsets = offsets;
  ExpertCall call;
  call.experts = table.get();
  const Tensor hidden(*ctx, kTokens, kOut);
  FfnSaved saved{hidden, {}};
  CHECK_THROWS_AS(experts(*ctx, call, routing, x, saved, y), Error);
  Weight packed = weight;
  packed.forget_value();
  const Tensor id(*ctx, 1, 1, DType::i32);
  CHECK_THROWS_AS(embed(*ctx, packed, id, hidden.view().slice_rows(0, 1).slice_cols(0, kIn)),
                  Error);

  prepare_weight(*ctx, weight);
  CHECK(first_result() == 16);
}

TEST_CASE("asking for the kernels' name does not lift the cap") {
  setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
  simd::apply_isa_cap();
  const std::string first = simd::target_name();
  const std::int64_t panel = simd::packed_gemm_panel();
  CHECK(simd::target_name() == first);
  CHECK(simd::packed_gemm_panel() == panel);
}

}  // namespace
}  // namespace switchyard
