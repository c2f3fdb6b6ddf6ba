// SPDX-License-Identifier: Apache-2.0
// Options of Marian, fairseq, OpenNMT, CTranslate2, Hugging Face and sacreBLEU that are spelled
// differently here, so that the error for such a name can say what to use.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace switchyard {

// Returns what to do instead of giving the option `name` (without its dashes) with `value` (may be
// empty), as in "use --after 10e"; empty if there is nothing to say. `has(option, choice)` returns
// true if the tool has this option and, unless `choice` is empty, this choice for it.
std::string advice_for_peer_option(
    std::string_view name, std::string_view value,
    const std::function<bool(std::string_view option, std::string_view choice)>& has);

}  // namespace switchyard
