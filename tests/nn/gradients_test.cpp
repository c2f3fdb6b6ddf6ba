// SPDX-License-Identifier: Apache-2.0
// compute_loss() against the scalar model of tests/reference: its values, and by the complex step
// every element of every gradient.
#include <algorithm>
#include <complex>
#include <string>

#include "src/nn/loss.h"
#include "tests/reference/model.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/grad_check.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

using Complex = std::complex<double>;

// Relative to the largest gradient of a tensor: f32 rounding (6e-8) grows a few hundredfold on its
// way through these models, whose values are large.
constexpr double kRtol = 1e-4;
// For a gradient that is 0 up to rounding: that of a bias that cancels in the softmax.
constexpr double kAtol = 1e-7;

reference::Parameters<Complex> parameters_of(TinyModel& tiny) {
  reference::Parameters<Complex> parameters;
  tiny.model.each_param([&](const Param& param) {
    const std::vector<float> host = tiny.read(tiny.values[param]);
    parameters[param.name] = {param.rows, param.cols,
                              std::vector<Complex>(host.begin(), host.end())};
  });
  return parameters;
}

struct Case {
  ModelConfig config;
  Pass pass;
  LossOptions options;
};

// All sources of randomness at once.
Pass training_pass(float capacity_factor, std::int64_t expert_capacity) {
  Pass pass;
  pass.training = true;
  pass.dropout_rate = 0.2f;
  pass.jitter_noise = 0.1f;
  pass.seed = 5;
  pass.step = 17;
  pass.capacity.capacity_factor = capacity_factor;
  pass.capacity.expert_capacity = expert_capacity;
  return pass;
}

LossOptions loss_options() {
  LossOptions options;
  options.label_smoothing = 0.1f;
  options.router_aux_loss_coef = 0.5f;
  options.router_z_loss_coef = 0.25f;
  options.ce_scale = 0.125f;
  options.router_scale = 0.75f;
  return options;
}

void check_values(const reference::ModelLoss<Complex>& expected, const LossResult& result) {
  using Doubles = std::vector<double>;
  CHECK(close(Doubles{result.loss_sum, result.nll_sum},
              Doubles{expected.loss_sum.real(), expected.nll_sum.real()}, 1e-5, 0) == "");
  Doubles aux, z;
  for (const auto& router : expected.router) {
    aux.push_back(router.balance.real());
    z.push_back(router.z.real());
  }
  CHECK(close(result.router_aux_loss, aux, 1e-5, 0) == "");
  CHECK(close(result.router_z_loss, z, 1e-5, 0) == "");
  CHECK(result.expert_count == expected.expert_count);
  CHECK(result.dropped == expected.dropped);
}

void check_every_gradient(const Case& c) {
  TinyModel tiny(c.config);
  const HostBatch batch = random_batch(c.config, {5, 2, 4}, {3, 6, 1}, 3);
  auto parameters = parameters_of(tiny);
  reference::ModelLoss<Complex> expected(c.config, parameters, c.pass, c.options);
  expected.run(batch);
  REQUIRE(expected.margin > 1e-4);  // otherwise rounding may change the routing
  // A capacity that drops no tokens would test nothing.
  const bool limited = c.pass.capacity.capacity_factor > 0 || c.pass.capacity.expert_capacity > 0;
  const auto any = [](std::int64_t count) { return count > 0; };
  REQUIRE(std::any_of(expected.dropped.begin(), expected.dropped.end(), any) == limited);

  fill(*tiny.ctx, 0, tiny.grads.flat());
  const LossResult result =
      compute_loss(*tiny.ctx, tiny.model, batch, c.pass, c.options, &tiny.grads);
  check_values(expected, result);
  CHECK(result.target_tokens == 10);

  tiny.model.each_param([&](const Param& param) {
    CAPTURE(param.name);
    const auto gradient = complex_step_gradient(parameters.at(param.name).values, [&] {
      return reference::ModelLoss<Complex>(c.config, parameters, c.pass, c.options).run(batch);
    });
    CHECK(close(tiny.read(tiny.grads[param]), gradient, kRtol, kAtol) == "");
  });
}

TEST_CASE("gradients: dense relu") {
  check_every_gradient({tiny_config({false, false}, {false}), training_pass(0, 0), loss_options()});
}

TEST_CASE("gradients: t5 v1.1, gated gelu_new, untied") {
  ModelConfig c = tiny_config({false}, {false, false});
  c.model_type = "t5";
  c.is_gated_act = true;
  c.dense_act_fn = Activation::gelu_new;
  c.tie_word_embeddings = c.scale_decoder_outputs = false;
  check_every_gradient({c, training_pass(0, 0), loss_options()});
}

TEST_CASE("gradients: all sparse, router bias, either capacity rule or none") {
  ModelConfig c = tiny_config({true, true}, {true});
  c.router_bias = true;
  const int rule = GENERATE(0, 1, 2);
  CAPTURE(rule);
  const Pass pass = training_pass(rule == 1 ? 0.7f : 0.0f, rule == 2 ? 1 : 0);
  check_every_gradient({c, pass, loss_options()});
}

TEST_CASE("gradients: mixed sparse and dense, gelu, no noise") {
  ModelConfig c = tiny_config({false, true}, {true, false});
  c.dense_act_fn = Activation::gelu;
  check_every_gradient({c, Pass{}, loss_options()});
}

TEST_CASE("gradients: gated sparse silu, separate embeddings, untied but scaled") {
  ModelConfig c = tiny_config({true}, {false, true});
  c.is_gated_act = true;
  c.dense_act_fn = Activation::silu;
  c.tie_word_embeddings = false;
  c.separate_embeddings = true;
  check_every_gradient({c, training_pass(1.0f, 0), loss_options()});
}

// Larger than vectors and tiles, with tails. Too many elements for a complex step each, so each
// tensor is perturbed along random directions instead.
TEST_CASE("gradients: wide model along random directions") {
  ModelConfig c = tiny_config({false, true}, {true});
  c.vocab_size = 75;
  c.d_model = 40;
  c.d_kv = 10;
  c.num_heads = 3;
  c.d_ff = 70;
  c.num_experts = 5;
  c.router_bias = true;
  const Pass pass = training_pass(1.1f, 0);
  const LossOptions options = loss_options();
  TinyModel tiny(c);
  const HostBatch batch = random_batch(c, {33, 2, 20, 16}, {30, 18, 1, 25}, 3);
  const auto parameters = parameters_of(tiny);
  reference::ModelLoss<Complex> expected(c, parameters, pass, options);
  expected.run(batch);
  REQUIRE(expected.margin > 1e-5);
  fill(*tiny.ctx, 0, tiny.grads.flat());
  check_values(expected, compute_loss(*tiny.ctx, tiny.model, batch, pass, options, &tiny.grads));

  constexpr double kStep = 1e-50;
  Rng rng(9);
  tiny.model.each_param([&](const Param& param) {
    CAPTURE(param.name);
    const std::vector<float> gradient = tiny.read(tiny.grads[param]);
    auto moved = parameters;
    double along = 0, size = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double direction = rng.normal();
      moved[param.name].values[i] += Complex(0, direction * kStep);
      along += direction * double{gradient[i]};
      size += double{gradient[i]} * double{gradient[i]};
    }
    const double exact =
        reference::ModelLoss<Complex>(c, moved, pass, options).run(batch).imag() / kStep;
    // The derivative along a direction is on the order of the gradient's norm.
    CHECK(std::abs(along - exact) <= kAtol + kRtol * std::sqrt(size));
  });
}

TEST_CASE("compute_loss adds to gradients") {
  TinyModel tiny(tiny_config({true, false}, {true}));
  const HostBatch batch = random_batch(tiny.model.config(), {5, 2, 4}, {3, 6, 1}, 3);
  const Pass pass = training_pass(0, 0);
  fill(*tiny.ctx, 0, tiny.grads.flat());
  compute_loss(*tiny.ctx, tiny.model, batch, pass, loss_options(), &tiny.grads);
  std::vector<float> twice = tiny.read(tiny.grads.flat());
  for (float& g : twice) g *= 2;
  compute_loss(*tiny.ctx, tiny.model, batch, pass, loss_options(), &tiny.grads);
  CHECK(close(tiny.read(tiny.grads.flat()), twice, 1e-6, 0) == "");
}

}  // namespace
}  // namespace switchyard
