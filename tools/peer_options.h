// SPDX-License-Identifier: Apache-2.0
// Options of Marian, fairseq, OpenNMT, CTranslate2, Hugging Face and sacreBLEU that have a
// different name here, so that the error can suggest the right one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace switchyard {

// Returns what to do instead of giving the option `name` (without its dashes) with `value` (may be
// empty), as in "use --after 10e"; empty if there is no advice. `has(option, choice)` returns true
// if the tool has this option and, unless `choice` is empty, this choice for it.
std::string advice_for_peer_option(
    std::string_view name, std::string_view value,
    const std::function<bool(std::string_view option, std::string_view choice)>& has);

}  // namespace switchyard
