// SPDX-License-Identifier: Apache-2.0
// The general categories that sacreBLEU's tokenizer intl asks for, of Unicode 18.0.0 as in `regex`
// 2026.11.19: a library of the distribution would know another version's characters.
#pragma once

namespace switchyard {

bool is_number(char32_t c);       // N*
bool is_punctuation(char32_t c);  // P*
bool is_symbol(char32_t c);       // S*

}  // namespace switchyard
