// SPDX-License-Identifier: Apache-2.0
// Packed forms of weights on the CPU: without a value, and used by kernels of an instruction set
// they were not packed for. A program of its own: it lowers the cap, which cannot be raised again.
#include <cstdlib>
#include <string>

#include "simd/packed_gemm.h"
#include "simd/targets.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "tests/support/catch.h"

namespace switchyard {
namespace {

TEST_CASE("a weight packed for another instruction set is an error, not garbage") {
  const auto ctx = make_context({1, true});
  constexpr std::int64_t kTokens = 2, kIn = 8, kOut = 48;
  const Tensor x(*ctx, kTokens, kIn), y(*ctx, kTokens, kOut), value(*ctx, kOut, kIn);
  fill(*ctx, 1, x);
  fill(*ctx, 2, value);
  Weight weight;
  weight.value = value;
  prepare_weight(*ctx, weight);
  const auto first_result = [&] {
    linear(*ctx, x, weight, y);
    float result = 0;
    download(*ctx, y.view().slice_rows(0, 1).slice_cols(0, 1), &result, 1);
    return result;
  };
  CHECK(first_result() == 16);
  const std::int64_t panel = simd::packed_gemm_panel();

  setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
  simd::apply_isa_cap();
  if (simd::packed_gemm_panel() == panel) return;  // SSE4 from the start
  std::string message;
  try {
    linear(*ctx, x, weight, y);
  } catch (const Error& e) {
    message = e.what();
  }
  CAPTURE(message);
  CHECK(message.find(std::to_string(panel) + " outputs") != std::string::npos);
  CHECK(message.find(simd::target_name()) != std::string::npos);

  // Experts take their weights in a parallel loop, where nothing can be thrown.
  const auto table = make_expert_table(*ctx, {{weight, {}, weight}});
  const Tensor offsets(*ctx, 1, 2, DType::i32);
  const std::int32_t all[] = {0, kTokens};
  upload(*ctx, all, 2, offsets);
  Routing routing;
  routing.expert_offsets = offsets;
  ExpertCall call;
  call.experts = table.get();
  const Tensor hidden(*ctx, kTokens, kOut);
  FfnSaved saved{hidden, {}};
  CHECK_THROWS_AS(experts(*ctx, call, routing, x, saved, y), Error);

  prepare_weight(*ctx, weight);
  CHECK(first_result() == 16);
}

TEST_CASE("asking for the kernels' name does not lift the cap") {
  setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
  simd::apply_isa_cap();
  const std::string first = simd::target_name();
  const std::int64_t panel = simd::packed_gemm_panel();
  CHECK(simd::target_name() == first);
  CHECK(simd::packed_gemm_panel() == panel);
}

}  // namespace
}  // namespace switchyard
