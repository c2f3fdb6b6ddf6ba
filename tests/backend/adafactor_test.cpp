// SPDX-License-Identifier: Apache-2.0
// Adafactor against the scalar template, and against the results of transformers' class for the
// same gradients (tests/golden/make_adafactor.py).
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/backend/machine.h"

namespace switchyard {
namespace {

TEST_CASE("Adafactor") {
  Machine m = any_machine();
  const std::int64_t rows = GENERATE(1, 3, 200), cols = GENERATE(1, 70);
  const bool vector = rows == 1 && GENERATE(false, true);
  CAPTURE(rows, cols, vector);
  const Weight weight{m.normal(rows, cols), nullptr};
  const AdafactorParam param{&weight, m.normal(rows, cols), vector ? View{} : m.flat(rows),
                             m.flat(cols)};
  Reals row, col(1, cols), p = m.reals(weight.value);
  if (!vector) {
    fill(*m.ctx, 0, param.row);
    row = Reals(1, rows);
  }
  fill(*m.ctx, 0, param.col);
  Adafactor options;
  options.lr = 0.1f;
  const auto plan = plan_adafactor(*m.ctx, {param});
  for (options.step = 1; options.step <= 3; ++options.step) {
    // The gradient unclipped, clipped, and skipped.
    const float scale = options.step == 2 ? 0.5f : 1;
    const bool updated = options.step != 3;
    Reals grad = m.reals(param.grad);
    for (double& g : grad.values) g *= scale;
    if (updated) reference::adafactor(options, grad, row, col, p);
    adafactor(*m.ctx, options, *plan, options.step == 1 ? View{} : m.decision(scale, updated));
    CHECK(m.differs(param.grad, Reals(rows, cols)) == "");
    const View next = m.normal(rows, cols);
    switchyard::scale(*m.ctx, static_cast<float>(4 * options.step), next, param.grad);  // clipped
  }
  CHECK(m.differs(weight.value, p) == "");
  CHECK(m.differs(param.col, col) == "");
  if (!vector) CHECK(m.differs(param.row, row) == "");
}

TEST_CASE("Adafactor matches transformers") {
  const char* directory = std::getenv("GOLDEN");
  REQUIRE(directory != nullptr);
  std::ifstream file(std::string(directory) + "/adafactor.json");
  for (const nlohmann::json& golden : nlohmann::json::parse(file)) {
    const auto shape = golden.at("shape").get<std::vector<std::int64_t>>();
    const bool vector = shape.size() == 1;
    const std::int64_t rows = vector ? 1 : shape[0], cols = shape.back();
    CAPTURE(rows, cols, vector);
    Machine m(1, false);
    const auto given = [&](const nlohmann::json& values, View to) {
      const auto host = values.get<std::vector<float>>();
      upload(*m.ctx, host.data(), to.size(), to);
    };
    const auto expected = [](const nlohmann::json& values, std::int64_t n) {
      return Reals(1, n, values.get<std::vector<double>>());
    };
    const Weight weight{m.output(rows, cols), nullptr};
    const AdafactorParam param{&weight, m.output(rows, cols),
                               vector ? View{} : m.filled(1, rows, 0), m.filled(1, cols, 0)};
    given(golden.at("param"), weight.value);
    Adafactor options;
    options.lr = golden.at("lr");
    const auto plan = plan_adafactor(*m.ctx, {param});
    for (const nlohmann::json& step : golden.at("steps")) {
      given(step.at("grad"), param.grad);
      adafactor(*m.ctx, options, *plan, {});
      ++options.step;
      CHECK(m.differs(weight.value, expected(step.at("param"), rows * cols)) == "");
      CHECK(m.differs(param.col, expected(step.at("col"), cols)) == "");
      if (!vector) CHECK(m.differs(param.row, expected(step.at("row"), rows)) == "");
    }
    CHECK(options.step == 5);
  }
}

}  // namespace
}  // namespace switchyard
