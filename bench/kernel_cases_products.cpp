// SPDX-License-Identifier: Apache-2.0
// Kernels that compute matmuls, work on logits, or pack weights.
#include "bench/kernel_cases.h"
#include "simd/attention.h"
#include "simd/cross_entropy.h"
#include "simd/pack_bf16.h"
#include "simd/packed_gemm.h"
#include "simd/routing.h"
#include "simd/top_k.h"

namespace switchyard::bench {

using namespace simd;

namespace {

constexpr std::int64_t kHeads = 8, kBeams = 4, kTopK = 5;

double product_flops(std::int64_t m, std::int64_t n, std::int64_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

Out head_of(Out x, std::int64_t head, std::int64_t d_kv) {
  return {x.data + head * d_kv, x.stride};
}

// One sentence, all heads.
void add_attention_cases(Context& ctx, const KernelSizes& s, std::vector<KernelCase>& cases) {
  const std::int64_t n = s.length, d_kv = s.d_model / kHeads, inner = kHeads * d_kv;
  const Matrix q(ctx, n, inner), k(ctx, n, inner), v(ctx, n, inner), out(ctx, n, inner),
      grad_out(ctx, n, inner), dq(ctx, n, inner), dk(ctx, n, inner), dv(ctx, n, inner),
      logsumexp(ctx, n, 1), probs(ctx, n, n), bias(ctx, 1, 2 * n), grad_bias(ctx, 1, 2 * n),
      scratch(ctx, 1, attention_scratch(n, d_kv)), step_bias(ctx, kHeads, n);
  const simd::IndexOut step_index =
      make_indices(ctx, 1, n, [](std::int64_t, std::int64_t i) { return i; });
  AttentionHead call;
  call.query_len = call.key_len = n;
  call.d_kv = d_kv;
  call.bias = bias.data() + n;
  const auto each_head = [=](auto f) {
    return [=] {
      const auto of = [=](const Matrix& x, std::int64_t h) { return head_of(Out(x), h, d_kv); };
      for (std::int64_t h = 0; h < kHeads; ++h) f([=](const Matrix& x) { return of(x, h); });
    };
  };
  const double one = product_flops(n, n, inner);
  // Queries by keys, and probabilities by values.
  cases.push_back({"attention", {}, 2 * one, each_head([=](auto of) {
                     attention(call, of(q), of(k), of(v), of(out), logsumexp, scratch.data());
                   })});
  // The scores, recomputed, and four more matmuls.
  cases.push_back({"attention_backward", {}, 5 * one, each_head([=](auto of) {
                     attention_backward(call, of(q), of(k), of(v), of(out), logsumexp, of(grad_out),
                                        of(dq), of(dk), of(dv), grad_bias.data() + n,
                                        scratch.data());
                   })});
  cases.push_back({"attention_probs", {}, one, each_head([=](auto of) {
                     attention_probs(call, of(q), of(k), logsumexp, probs);
                   })});
  cases.push_back({"attention_step", {k.bytes() + v.bytes()}, 0, [=] {
                     attention_step(kHeads, d_kv, In(q), {In(k), In(v), step_index.data, n},
                                    {step_bias.data() + n - 1, In(step_bias).stride}, Out(out),
                                    scratch.data());
                   }});
}

void add_logit_cases(Context& ctx, const KernelSizes& s, std::vector<KernelCase>& cases) {
  const std::int64_t n = std::max(kBeams, s.rows / 8 / kBeams * kBeams), vocab = s.vocab;
  const Matrix logits(ctx, n, vocab), consumed(ctx, n, vocab), half(ctx, n, vocab, DType::bf16),
      scalar(ctx, n, 1), values(ctx, 1, kTopK);
  const IndexOut token = make_indices(ctx, n, 1, [=](auto row, auto) { return row * 31 % vocab; });
  const IndexOut best = make_indices(ctx, 1, kTopK, [](auto, auto) { return 0; });
  const auto losses = std::make_shared<std::vector<TokenLoss>>(static_cast<std::size_t>(n));
  const LogitBlocks shape{n, vocab, vocab};
  const double m = logits.bytes();
  cases.push_back({"cross_entropy", {m}, 0, [=] {
                     cross_entropy(shape, 0, n, logits.data(), token, 0.1f, losses->data());
                   }});
  cases.push_back({"cross_entropy_gradient", {0, 0, m}, 0, [=] {
                     cross_entropy_gradient(shape, 0, n, consumed.data(), token, 0.1f, 1,
                                            losses->data(), consumed);
                   }});
  cases.push_back({"cross_entropy_gradient, bf16", {m, m / 2}, 0, [=] {
                     cross_entropy_gradient(shape, 0, n, consumed.data(), token, 0.1f, 1,
                                            losses->data(), half);
                   }});
  cases.push_back({"argmax", {m}, 0, [=] { argmax(n, vocab, logits, -1, token, scalar); }});
  cases.push_back({"top_k", {m}, 0, [=] {
                     for (std::int64_t r = 0; r < n; r += kBeams)
                       top_k(kBeams, vocab, {In(logits)[r], In(logits).stride}, scalar, kTopK, -1,
                             values.data(), best.data);
                   }});

  const std::int64_t rows = s.rows, e = s.num_experts;
  const Matrix router(ctx, rows, e), router_probs(ctx, rows, e), grad(ctx, rows, e),
      per_token(ctx, rows, 1), per_expert(ctx, 1, e);
  const IndexOut expert = make_indices(ctx, rows, 1, [=](auto row, auto) { return row % e; });
  const double r = router.bytes();
  cases.push_back({"top1_route", {r, r}, 0, [=] {
                     top1_route(rows, e, router, router_probs, per_token, expert, per_token);
                   }});
  cases.push_back({"router_backward", {r, r}, 0, [=] {
                     router_backward(rows, e, router_probs, per_token, expert, per_token,
                                     per_expert.data(), 1e-3f, grad);
                   }});
}

void add_packed_cases(Context& ctx, const KernelSizes& s, std::vector<KernelCase>& cases) {
  constexpr std::int64_t kRows = 64, kWidestPanel = 32;
  const std::int64_t d = s.d_model, padded = (d + kWidestPanel - 1) / kWidestPanel * kWidestPanel;
  const Matrix w(ctx, d, d), packed(ctx, 1, padded * d), x(ctx, kRows, d), y(ctx, kRows, d),
      half(ctx, 1, packed_bf16_panels(d) * packed_bf16_panel_size(d), DType::bf16);
  cases.push_back({"packed_gemm", {}, product_flops(kRows, d, d), [=] {
                     packed_gemm(kRows, 0, d, d, x, packed.data(), y);
                   }});
  cases.push_back(
      {"pack_weight", {w.bytes(), w.bytes()}, 0, [=] { pack_weight(d, d, w, packed.data()); }});
  const auto each_panel = [=](auto pack) {
    return [=] {
      auto* panel = static_cast<Bf16*>(AnyOut(half).data);
      for (std::int64_t i = 0; i < packed_bf16_panels(d); ++i)
        pack(d, d, In(w), i, panel + i * packed_bf16_panel_size(d));
    };
  };
  cases.push_back({"pack_bf16", {w.bytes(), half.bytes()}, 0, each_panel(pack_bf16)});
  cases.push_back(
      {"pack_bf16_transposed", {w.bytes(), half.bytes()}, 0, each_panel(pack_bf16_transposed)});
  constexpr std::int64_t kTokens = 512;
  const Matrix dy(ctx, kTokens, d, DType::bf16), stripe(ctx, kBf16PanelCols, kTokens, DType::bf16);
  cases.push_back({"transpose_bf16", {dy.bytes(), dy.bytes()}, 0, [=] {
                     for (std::int64_t c = 0; c + kBf16PanelCols <= d; c += kBf16PanelCols)
                       transpose_bf16(kTokens, kBf16PanelCols,
                                      {static_cast<const Bf16*>(AnyIn(AnyOut(dy)).data) + c, d},
                                      rows_of<Bf16>(AnyOut(stripe)));
                   }});
}

}  // namespace

void add_product_cases(Context& ctx, const KernelSizes& sizes, std::vector<KernelCase>& cases) {
  add_attention_cases(ctx, sizes, cases);
  add_logit_cases(ctx, sizes, cases);
  add_packed_cases(ctx, sizes, cases);
}

}  // namespace switchyard::bench
