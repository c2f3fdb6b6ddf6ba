// SPDX-License-Identifier: Apache-2.0
// kernels: how close does each kernel of simd/ come to the limits of one thread, on each of the
// machine's instruction sets? A kernel that moves bytes is compared with the minimum time in which
// plain loops move as many bytes over a working set of the same size; one that multiplies, with
// multiply-adds on registers. `of_limit` is the limit's time over the kernel's. Exponentials and
// divisions explain values below 1; better cache use than the plain loops' explains values above.
#include <map>

#include "bench/harness.h"
#include "bench/kernel_cases.h"
#include "bench/roofline.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

// Working sets of about the same size share their rates.
std::int64_t rounded_set(double bytes) {
  std::int64_t size = 4096;
  while (static_cast<double>(size) < bytes) size = size * 5 / 4;
  return size;
}

int run(int argc, char** argv) {
  KernelSizes sizes;
  std::string only, target_wanted;
  double seconds = 0.05;
  bool json = false;
  Options options({.name = "kernels",
                   .usage = "[options]",
                   .about = "Measures the kernels on one thread, by instruction set"});
  options.group("Bench");
  options.text("only", only, "TEXT", "kernels whose name contains this");
  options.text("target", target_wanted, "NAME", "one instruction set, by its name in the table");
  options.number("rows", sizes.rows, 8, 1 << 20, "tokens");
  options.number("d-model", sizes.d_model, 8, 65536, "columns");
  options.number("vocab", sizes.vocab, 8, 1 << 20, "columns of the logits");
  options.number("num-experts", sizes.num_experts, 1, 65536, "columns of the router");
  options.number("length", sizes.length, 1, 4096, "tokens per sentence, for attention");
  options.number("seconds", seconds, 0.001, 1e3, "time to spend on each kernel and each limit");
  options.flag("json", json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;

  const auto ctx = make_context({});
  const std::vector<KernelCase> cases = kernel_cases(*ctx, sizes);
  Table table({{"bench", "kernels"},
               {"machine", backend_description()},
               {"rows", sizes.rows},
               {"d_model", sizes.d_model},
               {"vocab", sizes.vocab}},
              json, 33);
  bool measured = false;
  each_target([&](const std::string& target) {
    if (!target_wanted.empty() && target != target_wanted) return;
    const double multiply_adds = multiply_add_gflops(seconds);
    std::map<std::int64_t, MemoryRates> rates;
    for (const KernelCase& kernel : cases) {
      if (kernel.name.find(only) == std::string::npos) continue;
      measured = true;
      const double took = median_seconds(seconds, kernel.run);
      double least = kernel.flops / multiply_adds * 1e-9;
      if (kernel.flops == 0) {
        const std::int64_t set = rounded_set(kernel.bytes.resident());
        if (!rates.contains(set)) rates[set] = memory_rates(*ctx, set, seconds);
        least = least_seconds(kernel.bytes, rates[set]);
      }
      const double work = kernel.flops > 0 ? kernel.flops : kernel.bytes.moved();
      table.add({{"kernel", kernel.name},
                 {"target", target},
                 {"us", took * 1e6},
                 {"unit", kernel.flops > 0 ? "GFLOP/s" : "GB/s"},
                 {"rate", work / took * 1e-9},
                 {"limit", work / least * 1e-9},
                 {"of_limit", least / took}});
    }
  });
  check(measured, ErrorKind::kUsage,
        "--only, --target: no such kernel, or no such instruction set on this machine");
  table.finish();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("kernels", [&] { return run(argc, argv); });
}
