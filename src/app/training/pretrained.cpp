// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/pretrained.h"

#include <utility>

#include "src/app/training/directory.h"
#include "src/core/error.h"
#include "src/io/hf.h"
#include "src/io/hf_files.h"

namespace switchyard {

TrainingOptions start_options(TrainingOptions options, Start start) {
  if (options.pretrained_model.empty()) return options;
  if (start == Start::kResumed) options.pretrained_model = newest_checkpoint(options.directory);
  ModelConfig config = open_model_files(options.pretrained_model).model->config();
  check(config.sparse_count() > 0 || !options.trainer.expert_dropout, ErrorKind::kUsage,
        "--expert-dropout: has no effect here: the model has no experts: ",
        escaped(options.pretrained_model.native()));
  const ModelConfig& given = options.config;
  config.dropout_rate = given.dropout_rate;
  config.router_jitter_noise = given.router_jitter_noise;
  config.router_z_loss_coef = given.router_z_loss_coef;
  config.router_aux_loss_coef = given.router_aux_loss_coef;
  options.config = std::move(config);
  set_expert_capacity(options);
  return options;
}

void load_pretrained(Context& ctx, const TrainingOptions& options, const ParamBuffer& values) {
  const ModelFiles files = open_model_files(options.pretrained_model);
  check(files.model->layout().offset == values.layout().offset &&
            files.model->layout().total == values.layout().total,
        ErrorKind::kData, escaped(options.pretrained_model.native()),
        ": the model changed while the run was prepared");
  read_values(ctx, files, values);
}

}  // namespace switchyard
