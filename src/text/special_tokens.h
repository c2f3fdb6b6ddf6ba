// SPDX-License-Identifier: Apache-2.0
// What a caller of Tokenizer decides about tokens that are not words: control tokens ("</s>"), T5's
// sentinels ("<extra_id_0>") and tokens that a user added ("<de>").
#pragma once

namespace switchyard {

// Which tokens a text may spell out. Tokens that a user added are found in any case.
enum class Spelled {
  kText,       // neither control tokens nor sentinels: they stay text
  kSentinels,  // sentinels
  kAll,        // sentinels and control tokens, as in transformers
};

// Whether a decoded text shows the special tokens among its ids, or leaves them out.
enum class Special { kLeaveOut, kShow };

}  // namespace switchyard
