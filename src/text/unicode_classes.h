// SPDX-License-Identifier: Apache-2.0
// The general categories that sacreBLEU's tokenizer intl needs, from Unicode 18.0.0 as in `regex`
// 2026.11.19. Distributions ship libraries with other versions of Unicode.
#pragma once

namespace switchyard {

bool is_number(char32_t c);       // N*
bool is_punctuation(char32_t c);  // P*
bool is_symbol(char32_t c);       // S*

}  // namespace switchyard
