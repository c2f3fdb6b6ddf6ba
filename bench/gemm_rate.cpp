// SPDX-License-Identifier: Apache-2.0
#include "bench/gemm_rate.h"

#include <omp.h>

#include <algorithm>
#include <barrier>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>

#include <dnnl.hpp>

#include "bench/harness.h"
#include "src/core/error.h"

namespace switchyard::bench {
namespace {

using dnnl::memory;

class OneMatmul {
 public:
  OneMatmul(const dnnl::engine& engine, const Matmul& shape, memory::data_type type,
            memory::format_tag weight_layout)
      : primitive_desc_(make(engine, shape, type, weight_layout)),
        primitive_(primitive_desc_),
        arguments_{{DNNL_ARG_SRC, zeros(primitive_desc_.src_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, zeros(primitive_desc_.weights_desc(), engine)},
                   {DNNL_ARG_DST, zeros(primitive_desc_.dst_desc(), engine)}} {}

  void run(const dnnl::stream& stream) const { primitive_.execute(stream, arguments_); }

 private:
  static dnnl::matmul::primitive_desc make(const dnnl::engine& engine, const Matmul& shape,
                                           memory::data_type type, memory::format_tag layout) {
    const memory::desc src({shape.m, shape.k}, type, memory::format_tag::ab);
    const memory::desc weights({shape.k, shape.n}, type, layout);
    const memory::desc dst({shape.m, shape.n}, type, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
    return {engine, src, weights, dst};
#else
    return {dnnl::matmul::desc(src, weights, dst), engine};
#endif
  }
  static memory zeros(const memory::desc& desc, const dnnl::engine& engine) {
    memory m(desc, engine);
    auto* bytes = static_cast<char*>(m.get_data_handle());
    std::fill(bytes, bytes + desc.get_size(), char{0});
    return m;
  }

  dnnl::matmul::primitive_desc primitive_desc_;
  dnnl::matmul primitive_;
  std::unordered_map<int, memory> arguments_;
};

// Returns the GFLOP/s of one worker.
double worker_gflops(const Matmuls& matmuls, memory::data_type type, int threads, double seconds) {
  omp_set_num_threads(threads);  // for this thread alone
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::stream stream(engine);
  const memory::format_tag layouts[] = {memory::format_tag::any, memory::format_tag::ab,
                                        memory::format_tag::ba};
  const double share = seconds / (3.0 * static_cast<double>(matmuls.size()));
  double time = 0;
  for (const Matmul& matmul : matmuls) {
    double best = 1e30;
    for (const auto layout : layouts) {
      const OneMatmul one(engine, matmul, type, layout);
      best = std::min(best, median_seconds(share, [&] { one.run(stream); }));
    }
    time += best * matmul.count;
  }
  return flops(matmuls) / time * 1e-9;
}

// Measures each shape once.
Matmuls merged(const Matmuls& matmuls) {
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, double> counts;
  for (const Matmul& x : matmuls)
    if (x.m > 0) counts[{x.m, x.k, x.n}] += x.count;
  Matmuls result;
  for (const auto& [shape, count] : counts)
    result.push_back({std::get<0>(shape), std::get<1>(shape), std::get<2>(shape), count});
  return result;
}

void add_feed_forward(const ModelConfig& config, std::int64_t tokens, bool sparse, Matmuls& list) {
  std::int64_t rows = tokens;
  if (sparse) {
    list.push_back({tokens, config.d_model, config.num_experts});
    rows = (tokens + config.num_experts - 1) / config.num_experts;
  }
  if (rows == 0) return;
  const double count = static_cast<double>(tokens) / static_cast<double>(rows);
  list.push_back({rows, config.d_model, config.d_ff, config.is_gated_act ? 2 * count : count});
  list.push_back({rows, config.d_ff, config.d_model, count});
}

}  // namespace

double flops(const Matmuls& matmuls) {
  double sum = 0;
  for (const Matmul& x : matmuls) sum += x.flops();
  return sum;
}

Matmuls operator+(Matmuls a, const Matmuls& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Matmuls encoder_matmuls(const ModelConfig& config, std::int64_t tokens) {
  Matmuls list;
  for (const bool sparse : config.encoder_sparse) {
    list.push_back({tokens, config.d_model, config.inner_dim(), 3});  // q, k, v
    list.push_back({tokens, config.inner_dim(), config.d_model});     // o
    add_feed_forward(config, tokens, sparse, list);
  }
  return list;
}

Matmuls decoder_matmuls(const ModelConfig& config, std::int64_t tokens) {
  Matmuls list;
  for (const bool sparse : config.decoder_sparse) {
    list.push_back({tokens, config.d_model, config.inner_dim(), 4});  // q, k, v; cross q
    list.push_back({tokens, config.inner_dim(), config.d_model, 2});  // o; cross o
    add_feed_forward(config, tokens, sparse, list);
  }
  list.push_back({tokens, config.d_model, config.vocab_size});
  return list;
}

Matmuls cross_key_matmuls(const ModelConfig& config, std::int64_t source_tokens) {
  const auto layers = static_cast<double>(config.decoder_sparse.size());
  return {{source_tokens, config.d_model, config.inner_dim(), 2 * layers}};
}

Matmuls with_backward(const Matmuls& forward) {
  Matmuls list = forward;
  for (const Matmul& x : forward) {
    list.push_back({x.m, x.n, x.k, x.count});  // dx
    list.push_back({x.n, x.m, x.k, x.count});  // dw
  }
  return list;
}

Matmuls training_matmuls(const ModelConfig& config, std::int64_t source_tokens,
                         std::int64_t target_tokens) {
  return with_backward(encoder_matmuls(config, source_tokens) +
                       cross_key_matmuls(config, source_tokens) +
                       decoder_matmuls(config, target_tokens));
}

double gemm_gflops(const Matmuls& matmuls, DType dtype, int workers, int threads, double seconds) {
  const auto type = dtype == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const Matmuls shapes = merged(matmuls);
  std::vector<double> rate(static_cast<std::size_t>(workers), 0.0);
  std::vector<std::string> error(rate.size());
  std::vector<std::thread> running;
  std::barrier start(workers);
  for (std::size_t w = 0; w < rate.size(); ++w) {
    running.emplace_back([&, w] {
      start.arrive_and_wait();
      try {
        rate[w] = worker_gflops(shapes, type, threads, seconds);
      } catch (const dnnl::error& e) {
        error[w] = e.what();
      }
    });
  }
  for (std::thread& t : running) t.join();
  double sum = 0;
  for (std::size_t w = 0; w < rate.size(); ++w) {
    check(error[w].empty(), ErrorKind::kUsage, "oneDNN's matmul in this type: ", error[w]);
    sum += rate[w];
  }
  return sum;
}

}  // namespace switchyard::bench
