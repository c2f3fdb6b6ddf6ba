// SPDX-License-Identifier: Apache-2.0
// The options of switch-train; the bench of a training step has them too, for the presets' sake.
#pragma once

#include <string>
#include <vector>

#include "src/app/training/options.h"
#include "tools/options.h"

namespace switchyard {

// Options whose text has a form of its own, parsed once all sources have been read.
struct TrainTexts {
  std::string preset = "small";
  std::string warmup = "4000u", decay_start, schedule = "inv-sqrt";
  std::string after = "20e", disp_freq = "100u", valid_freq = "1000u", save_freq;
  std::string compat = "none", init = "paper", compute_type = "auto";
  std::string optimizer = "adamw";
  std::vector<float> adamw = {0.9f, 0.98f, 1e-9f};
  int workers = 0;
  bool no_reload = false;
};

// Registers all options; both variables must outlive `options`.
void add_train_options(Options& options, TrainingOptions& training, TrainTexts& texts);

// After options.parse(): gives what is not given the preset's values, then reads the texts.
// Error(kUsage).
void apply_train_options(Options& options, TrainingOptions& training, const TrainTexts& texts);

}  // namespace switchyard
