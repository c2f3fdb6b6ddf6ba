// SPDX-License-Identifier: Apache-2.0
// Runs that start from a trained model (--pretrained-model): its architecture, vocabulary and
// weights are kept, everything else follows from the run's options.
#pragma once

#include "src/app/training/options.h"

namespace switchyard {

enum class Start { kNew, kResumed };

// Returns the options with the architecture of the model that the run starts from, if there is one.
// Dropout, jitter and loss coefficients, which only training needs, remain those of `options`. A
// resumed run starts from its newest checkpoint, which then is the pretrained model: the one that
// was given may be gone. Error as open_model_files().
TrainingOptions start_options(TrainingOptions options, Start start);

// Reads the weights of options.pretrained_model into `values`. Error as load_model(); Error(kData)
// if it is no longer the model that start_options() found.
void load_pretrained(Context& ctx, const TrainingOptions& options, const ParamBuffer& values);

}  // namespace switchyard
