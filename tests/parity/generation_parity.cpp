// SPDX-License-Identifier: Apache-2.0
// generation_parity FILE: compares searches and samples with Hugging Face's generate(), over the
// random models and settings that tests/golden/make_generation.py has recorded. Settings are read
// from a generation_config.json, as switch-translate reads them. Exit code 1 if an output differs.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/app/search_defaults.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/rng.h"
#include "src/decode/search.h"
#include "src/io/hf.h"
#include "src/io/safetensors_writer.h"
#include "tests/support/chi_square.h"
#include "tests/support/temp_directory.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// As weight() in make_generation.py.
std::vector<float> weight(std::uint64_t seed, const std::string& name, std::size_t size) {
  std::uint64_t key = seed;
  for (const char c : name) key = mix64(key ^ static_cast<unsigned char>(c));
  key = mix64(key);
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool norm = has("layer_norm");
  const float range = has("shared") || has("lm_head") || has("bias") ? 4.0f : 1.5f;
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    const float u = uniform_f32(random_u32(key, static_cast<std::uint32_t>(i))) - 0.5f;
    values[i] = norm ? 1 + u : u * range;
  }
  return values;
}

class Cases {
 public:
  explicit Cases(const fs::path& file)
      : file_(read_json_object(file)), ctx_(make_context({1, true})) {}

  bool run() {
    for (const json& c : file_.at("searches")) compare_search(c);
    for (const json& c : file_.at("samples")) compare_samples(c);
    for (const json& c : file_.at("beam_samples")) compare_beam_samples(c);
    std::cout << cases_ << " cases, " << failed_ << " failed\n";
    return failed_ == 0 && cases_ > 0;
  }

 private:
  // Loads the case's model, unless it is that of the previous case, and its settings.
  void load(const json& c) {
    ++cases_;
    const fs::path directory = directory_.path();
    write_text(directory / "generation_config.json", c.at("settings").dump());
    const std::pair model{c.at("architecture").get<std::size_t>(),
                          c.at("seed").get<std::uint64_t>()};
    if (model != model_) {
      const json& architecture = file_.at("architectures").at(model.first);
      write_text(directory / "config.json", architecture.at("config").dump());
      std::vector<std::vector<float>> values;
      std::vector<TensorToWrite> tensors;
      for (const json& tensor : architecture.at("tensors")) {
        const auto name = tensor.at(0).get<std::string>();
        const auto shape = tensor.at(1).get<std::vector<std::int64_t>>();
        std::size_t size = 1;
        for (const std::int64_t n : shape) size *= static_cast<std::size_t>(n);
        tensors.push_back({name, shape, [size, name, seed = model.second, this] {
                             host_ = weight(seed, name, size);
                             return std::span<const float>(host_);
                           }});
      }
      write_safetensors(directory / "model.safetensors", tensors);
      loaded_ = load_prepared_model(*ctx_, directory);
      model_ = model;
    }
    ModelConfig config = loaded_.model->config();
    options_ = {};
    options_.max_new_tokens = 20;
    apply_generation_config(
        read_generation_config(directory / "generation_config.json", config),
        [](std::string_view) { return false; }, options_);
  }

  void report(const json& c, const std::string& what) {
    ++failed_;
    std::cout << "architecture " << c.at("architecture") << " seed " << c.at("seed") << " source "
              << c.at("source") << " settings " << c.at("settings") << ": " << what << "\n";
  }

  void compare_search(const json& c) {
    load(c);
    options_.scores = c.contains("scores");
    const NBest found = search_batch(*ctx_, *loaded_.model, {c.at("source")}, options_)[0];
    std::vector<Ids> ids;
    for (const Hypothesis& h : found) ids.push_back(h.ids);
    if (json(ids) != c.at("ids"))
      return report(c, "ids " + json(ids).dump() + ", expected " + c.at("ids").dump());
    for (std::size_t i = 0; options_.scores && i < found.size(); ++i) {
      const float expected = c.at("scores").at(i);
      if (!(std::abs(found[i].score - expected) <= 1e-4f * std::max(1.0f, std::abs(expected))))
        return report(c, "score " + std::to_string(found[i].score) + ", expected " +
                             std::to_string(expected));
    }
  }

  // Draws until there are `count` outputs.
  std::map<Ids, std::int64_t> sample(const json& c, std::int64_t count) {
    constexpr std::int64_t kSentences = 500;
    std::map<Ids, std::int64_t> counts;
    Search search(*ctx_, *loaded_.model, options_);
    for (std::int64_t number = 0, drawn = 0; drawn < count;) {
      std::vector<SearchRequest> requests;
      for (std::int64_t i = 0; i < kSentences; ++i, ++number)
        requests.push_back({0, c.at("source"), {}, static_cast<std::uint64_t>(number)});
      search.admit(std::move(requests));
      while (search.active() > 0) search.step();
      for (const SearchResult& result : search.take_finished()) {
        for (const Hypothesis& h : result.hypotheses) {
          ++counts[h.ids];
          ++drawn;
        }
      }
    }
    return counts;
  }

  void compare_samples(const json& c) {
    constexpr std::int64_t kDraws = 100'000;
    load(c);
    options_.num_return_sequences = 10;
    std::map<Ids, std::int64_t> counts = sample(c, kDraws);
    ChiSquare test;
    for (const json& output : c.at("probabilities")) {
      const double expected = output.at(1).get<double>() * double{kDraws};
      test.add(static_cast<double>(counts[output.at(0)]), expected);
      counts.erase(output.at(0).get<Ids>());
    }
    if (!counts.empty()) return report(c, "drew " + json(counts.begin()->first).dump());
    if (!test.passes()) report(c, "frequencies differ from the probabilities");
  }

  // Two samples from the same distribution, of sizes n and m: the expected counts are those of both
  // together.
  void compare_beam_samples(const json& c) {
    load(c);
    std::map<Ids, std::pair<double, double>> counts;
    double n = 0, m = 0;
    for (const json& output : c.at("counts")) n += counts[output.at(0)].first = output.at(1);
    for (const auto& [ids, count] : sample(c, static_cast<std::int64_t>(n)))
      m += counts[ids].second = static_cast<double>(count);
    ChiSquare test;
    for (const auto& [ids, pair] : counts) {
      const auto [first, second] = pair;
      const double expected = (first + second) * m / (n + m);
      // The other sample deviates by as much, which adds to the sum in proportion.
      test.add(expected + (second - expected) * std::sqrt((n + m) / n), expected);
    }
    if (!test.passes()) report(c, "frequencies differ from transformers'");
  }

  json file_;
  std::unique_ptr<Context> ctx_;
  TempDirectory directory_;
  std::pair<std::size_t, std::uint64_t> model_{SIZE_MAX, 0};
  LoadedModel loaded_;
  SearchOptions options_;
  std::vector<float> host_;
  int cases_ = 0, failed_ = 0;
};

}  // namespace
}  // namespace switchyard

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: generation_parity FILE\n";
    return 2;
  }
  try {
    return switchyard::Cases(argv[1]).run() ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "generation_parity: error: " << e.what() << "\n";
    return 3;
  }
}
