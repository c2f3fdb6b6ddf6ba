// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "src/app/figures.h"
#include "src/core/memory.h"

namespace switchyard {

namespace {

// snprintf, with a decimal point whatever the locale: no tool calls setlocale().
template <class... Args>
std::string print(const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

double words_per_s(const ProgressWindow& w) {
  return static_cast<double>(w.source_tokens + w.target_tokens) / std::max(w.seconds, 1e-9);
}

std::vector<double> means(const std::vector<double>& sums, std::int64_t count) {
  std::vector<double> result;
  for (const double sum : sums) result.push_back(sum / static_cast<double>(count));
  return result;
}

}  // namespace

void ProgressWindow::add(const StepResult& step, double step_seconds) {
  ++updates;
  sentences += step.sentences;
  source_tokens += step.source_tokens;
  target_tokens += step.loss.target_tokens;
  loss += step.loss.loss_sum;
  const std::size_t layers = step.loss.expert_count.size();
  aux_loss.resize(layers);
  z_loss.resize(layers);
  expert_count.resize(layers);
  dropped.resize(layers);
  for (std::size_t l = 0; l < layers; ++l) {
    aux_loss[l] += step.loss.router_aux_loss[l];
    z_loss[l] += step.loss.router_z_loss[l];
    dropped[l] += step.loss.dropped[l];
    expert_count[l].resize(step.loss.expert_count[l].size());
    for (std::size_t e = 0; e < expert_count[l].size(); ++e)
      expert_count[l][e] += step.loss.expert_count[l][e];
  }
  rate = step.rate;
  grad_norm = step.grad_norm;
  seconds += step_seconds;
}

double ProgressWindow::drop_rate() const {
  std::int64_t all = 0;
  for (const auto& layer : expert_count) all = std::accumulate(layer.begin(), layer.end(), all);
  const std::int64_t drops = std::accumulate(dropped.begin(), dropped.end(), std::int64_t{0});
  return all == 0 ? 0 : static_cast<double>(drops) / static_cast<double>(all);
}

double ProgressWindow::imbalance() const {
  double sum = 0;
  for (const auto& layer : expert_count) {
    const auto all = std::accumulate(layer.begin(), layer.end(), std::int64_t{0});
    const auto most = *std::max_element(layer.begin(), layer.end());
    if (all > 0)
      sum +=
          static_cast<double>(most) * static_cast<double>(layer.size()) / static_cast<double>(all);
  }
  return expert_count.empty() ? 0 : sum / static_cast<double>(expert_count.size());
}

void to_json(nlohmann::json& json, const ProgressWindow& w) {
  json = {{"updates", w.updates},
          {"sentences", w.sentences},
          {"source_tokens", w.source_tokens},
          {"target_tokens", w.target_tokens},
          {"loss", w.loss},
          {"aux_loss", w.aux_loss},
          {"z_loss", w.z_loss},
          {"expert_count", w.expert_count},
          {"dropped", w.dropped},
          {"rate", w.rate},
          {"grad_norm", w.grad_norm},
          {"seconds", w.seconds}};
}

void from_json(const nlohmann::json& json, ProgressWindow& w) {
  json.at("updates").get_to(w.updates);
  json.at("sentences").get_to(w.sentences);
  json.at("source_tokens").get_to(w.source_tokens);
  json.at("target_tokens").get_to(w.target_tokens);
  json.at("loss").get_to(w.loss);
  json.at("aux_loss").get_to(w.aux_loss);
  json.at("z_loss").get_to(w.z_loss);
  json.at("expert_count").get_to(w.expert_count);
  json.at("dropped").get_to(w.dropped);
  json.at("rate").get_to(w.rate);
  json.at("grad_norm").get_to(w.grad_norm);
  json.at("seconds").get_to(w.seconds);
}

std::string progress_line(const ProgressPoint& p, const ProgressWindow& w) {
  std::string line = "Ep. " + std::to_string(p.epoch) + " : Up. " + std::to_string(p.update) +
                     " : Sen. " + with_commas(p.sentences) +
                     print(" : Cost %.4f : Time %.1fs : %.0f words/s : gNorm %.4f : L.r. %.4g",
                           w.cost(), w.seconds, words_per_s(w), w.grad_norm, w.rate);
  if (!w.expert_count.empty())
    line += print(" : drop %.1f%% : busiest expert %.2fx", 100 * w.drop_rate(), w.imbalance());
  if (p.skipped > 0) line += " : skipped " + std::to_string(p.skipped);
  if (p.eta_seconds >= 0) line += " : ETA " + clock_text(p.eta_seconds);
  return line;
}

std::string status_line(const ProgressPoint& p, const ProgressWindow& w, double done) {
  constexpr int kWidth = 24;
  const int full = static_cast<int>(kWidth * std::clamp(done, 0.0, 1.0));
  std::string line(1, '[');
  line.append(static_cast<std::size_t>(full), '#');
  line.append(static_cast<std::size_t>(kWidth - full), '-');
  line += ']';
  line += print(" %3.0f%%  Ep. %lld  Up. %lld  Cost %.4f  %.0f words/s", 100 * done,
                static_cast<long long>(p.epoch), static_cast<long long>(p.update), w.cost(),
                words_per_s(w));
  if (p.eta_seconds >= 0) line += "  ETA " + clock_text(p.eta_seconds);
  return line;
}

nlohmann::json train_record(const ProgressPoint& p, const ProgressWindow& w) {
  nlohmann::json record = {{"event", "train"},
                           {"epoch", p.epoch},
                           {"update", p.update},
                           {"words", p.target_tokens},
                           {"loss", w.cost()},
                           {"lr", w.rate},
                           {"gnorm", w.grad_norm},
                           {"skipped", p.skipped},
                           {"words_per_s", std::round(words_per_s(w))},
                           {"rss_mb", std::round(static_cast<double>(resident_bytes()) / 1e6)}};
  if (w.expert_count.empty()) return record;
  record["aux_loss"] = means(w.aux_loss, w.updates);
  record["z_loss"] = means(w.z_loss, w.updates);
  // Shares of the layer's tokens, by layer and expert, encoder first.
  std::vector<std::vector<double>> load;
  std::vector<double> drop;
  for (std::size_t l = 0; l < w.expert_count.size(); ++l) {
    const auto& layer = w.expert_count[l];
    const auto all = static_cast<double>(
        std::max<std::int64_t>(1, std::accumulate(layer.begin(), layer.end(), std::int64_t{0})));
    load.emplace_back();
    for (const std::int64_t tokens : layer)
      load.back().push_back(static_cast<double>(tokens) / all);
    drop.push_back(static_cast<double>(w.dropped[l]) / all);
  }
  record["expert_load"] = load;
  record["drop"] = drop;
  return record;
}

}  // namespace switchyard
