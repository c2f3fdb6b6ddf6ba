// SPDX-License-Identifier: Apache-2.0
// What a program outside this tree includes: text in, text out, training, and the two scores. What
// goes wrong throws switchyard::Error.
#pragma once

#include "src/app/text_translator.h"
#include "src/app/training/session.h"
#include "src/core/error.h"
#include "src/core/version.h"
#include "src/text/bleu.h"
#include "src/text/chrf.h"
