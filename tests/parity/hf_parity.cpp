// SPDX-License-Identifier: Apache-2.0
// hf_parity DIR...: compares this program's values with Hugging Face's. Each directory has a model
// written by save_pretrained, and expected.safetensors, which tests/golden/make_golden.py
// describes. Applies Hugging Face's capacity rule. Exit code 1 if a value exceeds the tolerance
// (tolerance.h).
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/core/parallel.h"
#include "src/decode/search.h"
#include "src/io/hf.h"
#include "src/io/hf_tensors.h"
#include "src/io/safetensors.h"
#include "src/nn/loss.h"
#include "src/nn/model.h"
#include "tests/parity/hf_losses.h"
#include "tests/parity/tolerance.h"
#include "tests/support/read_tensor.h"

namespace switchyard {
namespace {

constexpr std::int64_t kNewTokens = 24;

std::vector<float> to_host(Context& ctx, ConstView v) {
  std::vector<float> host(static_cast<std::size_t>(v.size()));
  download(ctx, v, host.data(), v.size());
  return host;
}

// A right-padded batch and the number of real tokens in each row.
struct PaddedBatch {
  HostBatch host;
  std::int64_t batch = 0, source_len = 0, target_len = 0;
  std::vector<std::int64_t> source_count, target_count;  // real tokens per sentence
};

class Case {
 public:
  Case(Context& ctx, const fs::path& dir)
      : ctx_(ctx), file_(dir / "expected.safetensors"), loaded_(load_model(ctx, dir)) {
    const std::vector<std::int64_t> ids = ints("input_ids"), mask = ints("attention_mask"),
                                    labels = ints("labels");
    batch_.batch = shape("input_ids")[0];
    batch_.source_len = shape("input_ids")[1];
    batch_.target_len = shape("labels")[1];
    for (std::int64_t b = 0; b < batch_.batch; ++b) {
      Ids source, target;
      for (std::int64_t s = 0; s < batch_.source_len; ++s)
        if (const auto at = index(b * batch_.source_len + s); mask[at] != 0)
          source.push_back(static_cast<std::int32_t>(ids[at]));
      for (std::int64_t t = 0; t < batch_.target_len; ++t)
        if (const auto at = index(b * batch_.target_len + t); labels[at] != -100)
          target.push_back(static_cast<std::int32_t>(labels[at]));
      batch_.source_count.push_back(static_cast<std::int64_t>(source.size()));
      batch_.target_count.push_back(static_cast<std::int64_t>(target.size()));
      batch_.host.source.push_back(source);
      batch_.host.target.push_back(target);
      batch_.host.sentence.push_back(static_cast<std::uint32_t>(b));
    }
    if (config().sparse_count() > 0) capacity_.expert_capacity = config().expert_capacity;
  }

  Verdict run() {
    compare_forward();
    compare_losses_and_gradients();
    loaded_.model->prepare(ctx_);
    compare_generation();
    return verdict_;
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  const ModelConfig& config() const { return loaded_.model->config(); }
  bool has(const std::string& name) const { return file_.tensors().contains(name); }
  std::vector<std::int64_t> shape(const std::string& name) const { return file_.at(name).shape; }
  std::vector<float> floats(const std::string& name) const { return read_f32(file_, name); }
  std::vector<std::int64_t> ints(const std::string& name) const { return read_i64(file_, name); }
  float scalar(const std::string& name) const { return floats(name).at(0); }

  // The real rows of a padded [batch, len, width] tensor.
  std::vector<float> real_rows(const std::string& name, bool target) const {
    const std::vector<float> padded = floats(name);
    const std::int64_t len = target ? batch_.target_len : batch_.source_len;
    const std::int64_t width = shape(name).back();
    std::vector<float> rows;
    for (std::int64_t b = 0; b < batch_.batch; ++b) {
      const std::int64_t count = (target ? batch_.target_count : batch_.source_count)[index(b)];
      const auto first = padded.begin() + b * len * width;
      rows.insert(rows.end(), first, first + count * width);
    }
    return rows;
  }

  // The real entries of probabilities [batch, heads, queries, keys] with the given strides.
  std::vector<float> real_probs(const std::vector<float>& probs, std::int64_t query_stride,
                                std::int64_t key_stride, bool target_queries,
                                bool target_keys) const {
    std::vector<float> real;
    for (std::int64_t b = 0; b < batch_.batch; ++b) {
      const auto queries = (target_queries ? batch_.target_count : batch_.source_count)[index(b)];
      const auto keys = (target_keys ? batch_.target_count : batch_.source_count)[index(b)];
      for (std::int64_t h = 0; h < config().num_heads; ++h) {
        for (std::int64_t q = 0; q < queries; ++q) {
          const auto first =
              probs.begin() + ((b * config().num_heads + h) * query_stride + q) * key_stride;
          real.insert(real.end(), first, first + keys);
        }
      }
    }
    return real;
  }

  void compare_states(const std::string& name, const std::vector<ConstView>& states, bool target) {
    for (std::size_t i = 0; i < states.size(); ++i) {
      const std::string full = name + "." + std::to_string(i);
      if (!has(full)) continue;
      verdict_.compare(name, full, to_host(ctx_, states[i]), real_rows(full, target));
    }
    const std::string next = name + "." + std::to_string(states.size());
    if (has(next)) verdict_.require(false, name, next, "expected, but not computed");
  }

  void compare_attentions(const std::string& name, const std::vector<ConstView>& probs,
                          const Ragged& queries, const Ragged& keys, bool target_queries,
                          bool target_keys) {
    for (std::size_t i = 0; i < probs.size(); ++i) {
      const std::string full = name + "." + std::to_string(i);
      if (!has(full)) continue;
      const std::vector<float> actual = real_probs(to_host(ctx_, probs[i]), queries.max_len,
                                                   keys.max_len, target_queries, target_keys);
      verdict_.compare(
          name, full, actual,
          real_probs(floats(full), shape(full)[2], shape(full)[3], target_queries, target_keys));
    }
  }

  void compare_forward() {
    const ArenaScope scope(ctx_.saved);
    Recorder recorder;
    Pass pass;
    pass.capacity = capacity_;
    pass.record = &recorder;
    const Batch batch = upload_batch(ctx_, ctx_.saved, batch_.host, config());
    const View logits = loaded_.model->logits(ctx_, pass, batch);
    compare_states("encoder_hidden_states", recorder.encoder_hidden_states, false);
    compare_states("decoder_hidden_states", recorder.decoder_hidden_states, true);
    compare_states("encoder_router_logits", recorder.encoder_router_logits, false);
    compare_states("decoder_router_logits", recorder.decoder_router_logits, true);
    verdict_.compare("last_hidden_state", "encoder",
                     to_host(ctx_, recorder.encoder_hidden_states.back()),
                     real_rows("encoder_last_hidden_state", false));
    verdict_.compare("last_hidden_state", "decoder",
                     to_host(ctx_, recorder.decoder_hidden_states.back()),
                     real_rows("decoder_last_hidden_state", true));
    compare_attentions("encoder_attentions", recorder.encoder_attentions, batch.source,
                       batch.source, false, false);
    compare_attentions("decoder_attentions", recorder.decoder_attentions, batch.target,
                       batch.target, true, true);
    compare_attentions("cross_attentions", recorder.cross_attentions, batch.target, batch.source,
                       true, false);
    verdict_.compare("logits", "logits", to_host(ctx_, logits), real_rows("logits", true));
  }

  void compare_scalar(const std::string& name, double actual) {
    if (has(name)) verdict_.compare("losses", name, {static_cast<float>(actual)}, {scalar(name)});
  }

  void compare_losses_and_gradients() {
    Pass pass;
    pass.training = true;  // for gradients; dropout and jitter stay 0
    pass.capacity = capacity_;
    LossOptions options;
    options.router_aux_loss_coef = config().router_aux_loss_coef;
    options.router_z_loss_coef = config().router_z_loss_coef;
    options.ce_scale = 1.0f / static_cast<float>(batch_.host.target_tokens());
    const ParamBuffer grads(ctx_, loaded_.model->layout());
    const LossResult result =
        compute_loss(ctx_, *loaded_.model, batch_.host, pass, options, &grads);

    const double ce = result.nll_sum / static_cast<double>(result.target_tokens);
    double aux = 0, z = 0;
    for (const float x : result.router_aux_loss) aux += double{x};
    for (const float x : result.router_z_loss) z += double{x};
    compare_scalar("ce_loss", ce);
    compare_scalar("router_aux_loss", aux);
    compare_scalar("router_z_loss", z);
    compare_scalar("loss", ce + double{config().router_aux_loss_coef} * aux +
                               double{config().router_z_loss_coef} * z);
    compare_pooled_losses(ce);

    std::size_t matched = 0, expected = 0;
    for (const auto& [name, tensor] : file_.tensors()) expected += name.rfind("grad/", 0) == 0;
    loaded_.model->each_param([&](const Param& param) {
      const std::string name = "grad/" + file_name_of(param.name, config().model_type);
      const std::vector<float> actual = to_host(ctx_, grads[param]);
      matched += has(name);
      verdict_.compare("gradients", param.name, actual,
                       has(name) ? floats(name) : std::vector<float>(actual.size(), 0.0f));
    });
    verdict_.require(matched == expected, "gradients", "names",
                     std::to_string(matched) + " of " + std::to_string(expected) +
                         " expected gradients belong to a parameter");
  }

  // Applies Hugging Face's formulas to the file's router logits.
  void compare_pooled_losses(double ce) {
    double total = ce;
    for (const bool target : {false, true}) {
      const std::string side = target ? "decoder" : "encoder";
      const std::vector<bool>& sparse = target ? config().decoder_sparse : config().encoder_sparse;
      HfRouterLosses losses;  // 0 if every layer is sparse
      if (std::find(sparse.begin(), sparse.end(), false) != sparse.end()) {
        std::vector<std::vector<float>> layers;
        for (std::size_t i = 0; has(side + "_router_logits." + std::to_string(i)); ++i)
          layers.push_back(floats(side + "_router_logits." + std::to_string(i)));
        if (!layers.empty())
          losses =
              hf_router_losses(layers, batch_.batch, target ? batch_.target_len : batch_.source_len,
                               config().num_experts);
      }
      compare_scalar("hf_" + side + "_z_loss", double{losses.z});
      compare_scalar("hf_" + side + "_aux_loss", double{losses.aux});
      total += double{config().router_z_loss_coef} * double{losses.z} +
               double{config().router_aux_loss_coef} * double{losses.aux};
    }
    compare_scalar("hf_loss", total);
  }

  // Row `i` of a generated tensor, without the start token, through the first eos.
  Ids expected_ids(const std::string& name, std::int64_t i) const {
    const std::vector<std::int64_t> all = ints(name);
    const std::int64_t len = shape(name)[1];
    Ids ids;
    for (std::int64_t p = 1; p < len; ++p) {
      ids.push_back(static_cast<std::int32_t>(all[index(i * len + p)]));
      if (ids.back() == config().eos_token_id) break;
    }
    return ids;
  }

  std::vector<NBest> search(const SearchOptions& options) {
    return search_batch(ctx_, *loaded_.model, batch_.host.source, options);
  }

  void compare_generation() {
    SearchOptions options;
    options.max_new_tokens = kNewTokens;
    options.capacity = capacity_;
    compare_ids("greedy", search(options), 1);
    options.num_beams = 4;
    options.num_return_sequences = 4;
    compare_ids("beam4", search(options), 4);
    options.num_return_sequences = 1;
    options.length_penalty = 2;
    options.early_stopping = EarlyStopping::kTrue;
    compare_ids("beam4_lp2", search(options), 1);
  }

  void compare_ids(const std::string& name, const std::vector<NBest>& found, std::int64_t n) {
    const std::vector<float> scores =
        has(name + "_scores") ? floats(name + "_scores") : std::vector<float>{};
    for (std::int64_t b = 0; b < batch_.batch; ++b) {
      for (std::int64_t i = 0; i < n; ++i) {
        const Hypothesis& hypothesis = found[index(b)][index(i)];
        const std::string what = std::to_string(b) + "." + std::to_string(i);
        const std::int64_t row = b * n + i;
        bool same = hypothesis.ids == expected_ids(name, row);
        if (!scores.empty()) {
          verdict_.compare_score(name + "_scores", what, hypothesis.score, scores[index(row)],
                                 1e-4f);
          for (std::int64_t other = b * n; !same && other < (b + 1) * n; ++other) {
            if (hypothesis.ids != expected_ids(name, other) ||
                !(std::abs(scores[index(other)] - scores[index(row)]) < 1e-5f))
              continue;
            same = true;
            verdict_.count_swap();
          }
        }
        verdict_.require(same, name, what, "other ids than expected");
      }
    }
  }

  Context& ctx_;
  SafetensorsFile file_;
  LoadedModel loaded_;
  PaddedBatch batch_;
  CapacityOptions capacity_;
  Verdict verdict_;
};

int run(const std::vector<std::string>& directories) {
  // Row-invariant, like translation, so that packed weights are covered as well.
  const auto ctx = make_context({default_threads(), true});
  bool passed = true;
  for (const std::string& directory : directories) {
    const fs::path dir(directory);
    if (!fs::exists(dir / "expected.safetensors")) {
      std::cout << directory << ": skipped, no expected.safetensors in it\n";
      continue;
    }
    const Verdict verdict = Case(*ctx, dir).run();
    std::cout << directory << ": " << (verdict.passed() ? "passed" : "FAILED") << "\n";
    verdict.print(std::cout);
    passed = passed && verdict.passed();
  }
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace switchyard

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: hf_parity DIR...\n";
    return 2;
  }
  try {
    return switchyard::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::cerr << "hf_parity: error: " << e.what() << "\n";
    return 3;
  }
}
