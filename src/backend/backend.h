// SPDX-License-Identifier: Apache-2.0
// The contract between the model and a backend: free functions on views. Meson links exactly one
// implementation: src/backend/cpu (oneDNN, Highway, OpenMP) or tests/reference (scalar, the oracle
// of the tests).
//
// Rules for every implementation and every caller:
// - Code above this header never dereferences a view's data. The host sees values only through
//   download().
// - Inputs come first: ConstViews, and structs by const reference, whose views are only read.
//   Outputs come last: Views, structs by non-const reference, and structs of gradients (...Grads).
//   An output may alias an input only if a comment says so.
// - A token matrix may have more rows than tokens (View::row_capacity, a multiple of kRowRounding);
//   the rows past the last token are undefined. Any operation may write them, even those of an
//   input, and no result depends on them.
// - Parameter gradients are accumulated (`dw +=`); other outputs are overwritten unless a comment
//   says otherwise. An empty View for an optional output skips that output.
// - Matrices are f32 unless a comment says otherwise; ids, indices and offsets are i32. "Compute
//   type" means f32 or, in a context that computes in bfloat16, either f32 or bf16; all such views
//   of a call have the same type unless a comment says "each". Arithmetic is f32, and results are
//   rounded once.
// - The same inputs and number of threads give bit-identical results: reductions over tokens run in
//   an order that does not depend on timing. With ctx.row_invariant, a row's result depends neither
//   on other rows nor on the number of threads.
// - The caller guarantees shapes (checked by assert) and passes only validated values. Functions
//   throw nothing but Error(kRuntime), when memory or a device is unavailable, unless a comment
//   says otherwise.
//
// Dimensions: T tokens (rows of a batch, no padding), S slots (see slot_count()), E experts, R rows
// of one decoding step, V vocabulary, H heads, inner = H * d_kv.
// This header and the headers it includes also compile as C++17.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/core/activation.h"
#include "src/core/context.h"
#include "src/core/tensor.h"

namespace switchyard {

// --- Machine -------------------------------------------------------------------------------------

struct ContextOptions {
  int threads = 1;  // within one operation; Context::threads is the number granted
  bool row_invariant = false;
  // Of matmuls: f32, bf16, or i8, in which prepared weights are int8 and activations are quantized
  // on the fly (translation only).
  DType compute_type = DType::f32;
};
// For the calling thread and threads it creates later, which flush denormals to zero from now on.
// Error(kUsage) if options.threads < 1.
std::unique_ptr<Context> make_context(const ContextOptions& options);

// Returns true if the machine has instructions for matmuls in this type. Without them, bf16 works
// but is slow.
bool computes_natively(DType type);

// For --build-info and the startup line: "AVX2, oneDNN 2.6.3 (AVX2)".
std::string backend_description();

// Defaults that suit the backend on a host with `threads` threads. Needs no device.
struct Defaults {
  int training_workers = 1;                   // workers that share each batch
  int translation_workers = 1;                // workers with batches of their own
  std::int64_t training_batch_tokens = 4096;  // on the longer side of a batch
  std::int64_t translation_batch = 32;        // sentences
};
Defaults backend_defaults(int threads = 1);

// Bytes that can still be allocated.
std::int64_t available_memory(const Context& ctx);

// Waits until everything issued in a context has completed. Calls in one context take effect in
// order. Another context may read, overwrite or release memory that they use only after finish(),
// or a later download(), in the first one. Functions that load or prepare a model end with
// finish().
void finish(Context& ctx);

// Copies between host and backend: `count` elements, row by row; count == view.size().
void upload(Context& ctx, const float* host, std::int64_t count, View to);
void upload(Context& ctx, const std::int32_t* host, std::int64_t count, View to);
void download(Context& ctx, ConstView from, float* host, std::int64_t count);
void download(Context& ctx, ConstView from, std::int32_t* host, std::int64_t count);

void fill(Context& ctx, float value, View y);  // y f32 or bf16
// y = x, same shape. Converts between f32 and bf16; i32 can only be copied to i32.
void copy(Context& ctx, ConstView x, View y);
void add(Context& ctx, ConstView x, View y);  // y += x
// y = factor * x; each f32 or bf16; y may alias x.
void scale(Context& ctx, float factor, ConstView x, View y);

// --- Weights and matmuls -------------------------------------------------------------------------

// How a weight is used.
enum class WeightRole {
  matmul,
  router,  // its matmuls are f32 in every context (arXiv 2101.03961, 2.4)
  head,    // of the output head: gradients come only from linear_cross_entropy()
};

// A weight: its value [out, in] and the forms that a backend has packed it into. If only
// a packed form is kept, the value has a shape but no data, and an operation that needs it (an f32
// gradient, packing, a matmul in a context that cannot read the form) throws Error(kRuntime).
struct PackedWeight;
struct Weight {
  View value;
  std::shared_ptr<PackedWeight> packed;
  WeightRole role = WeightRole::matmul;

  // Leaves only the shape: the value's memory is about to be released or reused.
  void forget_value() { value.data = nullptr; }
};

// Packs or repacks the value into the form that the context's matmuls read. Call it after loading
// and, in contexts that compute in bfloat16, after every change of the value except an optimizer's,
// which repacks it. Without that form, matmuls read the value and are f32. A form in int8,
// or in bfloat16 by a row-invariant context, is for translation: optimizers do not repack it, and
// in bfloat16 such a context throws Error(kRuntime) if asked for gradients. Returns true if the
// form replaces the value in contexts like this one: linear(), experts() and embed() do without it,
// so a caller that computes no gradients may call forget_value().
bool prepare_weight(Context& ctx, Weight& weight);

// Packed forms in files. The name of the layout that prepare_weight() packs such a weight in:
// "int8-32x4". A name stands for every byte: a layout that changes gets another one. Empty if the
// form does not replace the value or is not for files.
std::string packed_layout(const Context& ctx, const Weight& weight);
// Size of that form. Like the layout, it depends only on the context and the weight's shape and
// role. Error(kRuntime) if a weight of that shape cannot be packed.
std::size_t packed_bytes(const Context& ctx, const Weight& weight);
// Copies the form, which prepare_weight() has packed in a context like this one, to the host.
void download_packed(Context& ctx, const Weight& weight, void* host);
// Instead of prepare_weight(): adopts packed_bytes() bytes in packed_layout(), 64-byte aligned on
// the host, which must not change. A backend may read them in place, and then shares ownership. The
// weight's value is not used.
void adopt_packed(Context& ctx, Weight& weight, std::shared_ptr<const void> host);

// y [T, out] = x [T, in] . w^T. x compute type; y f32 or bf16. If the matmul is in bfloat16, x and
// y (in backward, dy and dx) have no gaps between rows.
void linear(Context& ctx, ConstView x, const Weight& w, View y);
// dx [T, in] = dy . w. dy compute type; dx f32 or bf16.
void linear_backward_input(Context& ctx, ConstView dy, const Weight& w, View dx);
// dx += dy . w; dx f32.
void linear_backward_input_add(Context& ctx, ConstView dy, const Weight& w, View dx);
// dw [out, in] += dy^T . x. x, dy compute type.
void linear_backward_weight(Context& ctx, ConstView x, const Weight& w, ConstView dy, View dw);
// y[t] += bias, bias [1, out];  grad_bias += sum over t of dy[t]
void add_bias(Context& ctx, ConstView bias, View y);
void bias_backward(Context& ctx, ConstView dy, View grad_bias);

// --- A batch of sequences ------------------------------------------------------------------------

// Sequences concatenated in one token matrix.
struct Ragged {
  ConstView offsets;  // [1, batch + 1] i32: the first token of each sequence, and the end
  ConstView tags;     // [T, 2] i32: sentence and position, which key random numbers; training only
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  std::int64_t max_len = 0;
};

// Inverted dropout: element i of a row becomes 0 if random_u32(row_key(stream, tag), i) is below
// drop_threshold(rate), otherwise it is divided by (1 - rate). See core/rng.h. Rate 0 turns dropout
// off; tags are then unused.
struct Dropout {
  float rate = 0;
  std::uint64_t stream = 0;  // stream_key(seed, step, site)
};

// y[t] = table[ids[t]], from the value or, if that is absent, from the form that the context's
// matmuls read;  grad_table[ids[t]] += dy[t], in token order
void embed(Context& ctx, const Weight& table, ConstView ids, View y);
void embed_backward(Context& ctx, ConstView ids, ConstView dy, View grad_table);

// y = dropout(x); each f32 or bf16; y may alias x.
void dropout(Context& ctx, Dropout drop, ConstView tags, ConstView x, View y);
// y = residual + dropout(x); x compute type; y may alias residual.
void add_dropout(Context& ctx, Dropout drop, ConstView tags, ConstView x, ConstView residual,
                 View y);

// --- Rows ----------------------------------------------------------------------------------------

// y = weight * x * inv_rms, inv_rms [T, 1] = 1 / sqrt(mean(x^2) + eps). Zhang & Sennrich 2019
// (arXiv 1910.07467), as in T5: no mean subtraction, no bias. y compute type.
void rms_norm(Context& ctx, ConstView x, ConstView weight, float eps, View y, View inv_rms);
// The forward values that backward reads.
struct RmsNormSaved {
  ConstView x, weight, inv_rms;
};
// dx += ..., grad_weight += ...
void rms_norm_backward(Context& ctx, const RmsNormSaved& saved, ConstView dy, View dx,
                       View grad_weight);

// The elementwise part of a feed-forward layer, between its matmuls. Matrices are [T, d_ff], of
// compute type.
struct ActivationCall {
  Activation act = Activation::relu;
  ConstView hidden;
  ConstView gate;  // wi_1 x of T5 v1.1; empty if not gated
  Dropout drop;
  ConstView tags;
};
// y = dropout(act(hidden)) or, if gated, dropout(act(hidden) * gate).
void activation(Context& ctx, const ActivationCall& call, View y);
// Overwrites grad_hidden, which may alias dy, and grad_gate, which is empty if gate is.
void activation_backward(Context& ctx, const ActivationCall& call, ConstView dy, View grad_hidden,
                         View grad_gate);

// --- Router and experts --------------------------------------------------------------------------

// y = x * U(1 - eps, 1 + eps) per element (arXiv 2101.03961, App. C); also its own backward. x
// compute type, y f32; y may alias x.
void jitter(Context& ctx, float eps, std::uint64_t stream, ConstView tags, ConstView x, View y);

// How many tokens an expert accepts.
struct Capacity {
  enum Rule { kUnlimited, kPerBatch, kPerSequence };
  Rule rule = kUnlimited;
  std::int64_t tokens = 0;  // per expert, in the batch or in each sequence; earliest tokens first
};

// S for T tokens: T, or more if the context's grouped matmuls need the first slot of each expert
// aligned.
std::int64_t slot_count(const Context& ctx, std::int64_t tokens, std::int64_t num_experts);

// The router's decisions, which stay on the backend.
struct Routing {
  View probs;           // [T, E] softmax of the logits
  View logsumexp;       // [T, 1]
  View expert_index;    // [T, 1] i32: argmax of probs; the lowest index wins ties
  View combine_weight;  // [T, 1]: probs at expert_index
  View slot_of_token;   // [T, 1] i32: -1 for a dropped token
  View token_of_slot;   // [S, 1] i32: the inverse; -1 for an empty slot
  View expert_offsets;  // [1, E + 1] i32: expert e has slots [offsets[e], offsets[e + 1])
  View expert_count;    // [1, E] i32: tokens that chose e, dropped ones included
  View dropped;         // [1, 1] i32: tokens without a slot
};

// Fills the views of `routing` from logits [T, E]. Switch Transformer (arXiv 2101.03961) eq. 1, and
// eq. 3 for the capacity; slots come from a stable counting sort of the kept tokens by expert.
void route(Context& ctx, ConstView logits, Capacity capacity, const Ragged& tokens,
           Routing& routing);

// Statistics of one layer over one batch, for the host to read: [1, 3 + E] =
//   balance loss E * sum_e f_e * P_e (eq. 4-6; f includes dropped tokens);
//   router z-loss, the mean of logsumexp^2 (ST-MoE, arXiv 2202.08906, eq. 5);
//   number of dropped tokens; number of tokens that chose each expert. Exact up to 2^24 tokens.
constexpr std::int64_t router_statistics_size(std::int64_t num_experts) { return 3 + num_experts; }
void router_statistics(Context& ctx, const Routing& routing, View statistics);

// Coefficients of the router losses, including the outer scale of the loss.
struct RouterLossCoefs {
  float aux = 0;
  float z = 0;
};
// grad_logits = d (coefs.aux * balance + coefs.z * z) / d logits, plus the gradient flowing through
// combine_weight.
void router_backward(Context& ctx, const Routing& routing, ConstView grad_combine_weight,
                     RouterLossCoefs coefs, View grad_logits);

// y[s] = x[index[s]], or 0 if index[s] is -1; y [S, d]. Compute type.
void gather_rows(Context& ctx, ConstView x, ConstView index, View y);
// y[t] += x[index[t]] unless index[t] is -1: the backward of gather_rows(), given the inverse
// index. x compute type, y f32.
void gather_rows_add(Context& ctx, ConstView x, ConstView index, View y);
// y[t] = combine_weight[t] * expert_out[slot_of_token[t]], or 0 for a dropped token. Compute type.
void combine_rows(Context& ctx, ConstView expert_out, const Routing& routing, View y);
// grad_out[s] = combine_weight[t] * dy[t] for t = token_of_slot[s], or 0 for an empty slot;
// grad_combine_weight[t] = dy[t] . expert_out[slot_of_token[t]], or 0 for a dropped token. dy,
// expert_out and grad_out compute type.
void combine_rows_backward(Context& ctx, ConstView dy, ConstView expert_out, const Routing& routing,
                           View grad_out, View grad_combine_weight);

// One feed-forward layer: wo(dropout(act(wi x))) or, if gated, wo(dropout(act(wi x) * (wi_1 x))).
struct FfnWeights {
  Weight wi;
  std::optional<Weight> wi_1;  // gated only
  Weight wo;
};
struct FfnGrads {
  View wi, wi_1, wo;  // f32
};
// The weights of a layer's experts, as the backend's grouped call reads them: at least one expert,
// all in the same forms. Make a new table whenever a weight is bound to another value or prepared.
// In contexts that compute in bfloat16, prepare the weights before use.
struct ExpertTable;
std::shared_ptr<const ExpertTable> make_expert_table(Context& ctx, std::vector<FfnWeights> experts);
// The gradients of a table's experts, at a uniform stride in one buffer.
struct ExpertGrads {
  FfnGrads first;
  std::int64_t stride = 0;  // in elements, from one expert's gradients to the next expert's

  FfnGrads of(std::int64_t expert) const {
    const auto shifted = [&](View v) {
      if (v) v.data = static_cast<float*>(v.data) + expert * stride;
      return v;
    };
    return {shifted(first.wi), shifted(first.wi_1), shifted(first.wo)};
  }
};
// All experts of a layer in one grouped call. Entry i of the table is expert e = first_expert + i,
// which has rows [expert_offsets[e], expert_offsets[e + 1]) of x; rows without a token are 0 in x
// and dy. Random numbers are keyed by each row's token. Matrices are of compute type.
struct ExpertCall {
  const ExpertTable* experts = nullptr;
  std::int64_t first_expert = 0;
  Activation act = Activation::relu;
  Dropout drop;
  ConstView tags;  // of the tokens
};
// Saved for backward: wi x and, if gated, wi_1 x, [S, d_ff] each.
struct FfnSaved {
  View hidden, gate;
};
// Fills the views of `saved`. Rows of y past the last slot in use are undefined.
void experts(Context& ctx, const ExpertCall& call, const Routing& routing, ConstView x,
             FfnSaved& saved, View y);
// The inputs of backward: x and dy [S, d_model], and the matrices that forward saved.
struct ExpertsBackwardInput {
  ConstView x, hidden, gate, dy;
};
// Overwrites dx [S, d_model] in the slots in use; adds to grads.
void experts_backward(Context& ctx, const ExpertCall& call, const Routing& routing,
                      const ExpertsBackwardInput& in, View dx, const ExpertGrads& grads);

// --- Attention -----------------------------------------------------------------------------------

// T5's attention: no scaling by 1 / sqrt(d_kv), an additive bias per head and relative position.
struct AttentionCall {
  std::int64_t num_heads = 0;
  std::int64_t d_kv = 0;
  bool causal = false;  // key position <= query position
  ConstView bias{};     // [H, 2 * center + 1], column key_pos - query_pos + center; may be empty
  std::int64_t center = 0;
  Dropout drop{};  // of the probabilities: element (head << 16) + key position in the query's row
  Ragged queries{}, keys{};  // sequence b of the queries attends to sequence b of the keys
};
// bias[h][i] = table[bucket[i]][h]; bias [H, n], table [num_buckets, H], bucket [1, n] i32.
// Backward adds to grad_table.
void expand_bias(Context& ctx, ConstView table, ConstView bucket, View bias);
void expand_bias_backward(Context& ctx, ConstView grad_bias, ConstView bucket, View grad_table);

// q [Tq, inner], k, v [Tk, inner], compute type.
struct AttentionInput {
  ConstView q, k, v;
};
// out [Tq, inner], compute type, and logsumexp [Tq, H], which may be empty if there is no backward.
// Probabilities are not stored: backward recomputes them.
void attention(Context& ctx, const AttentionCall& call, const AttentionInput& in, View out,
               View logsumexp);
// The forward values that backward reads.
struct AttentionSaved {
  AttentionInput in;
  ConstView out, logsumexp;
};
// dq, dk and dv, of compute type, are overwritten; grad_bias, of the bias's shape, is added to.
struct AttentionGrads {
  View dq, dk, dv, grad_bias;
};
void attention_backward(Context& ctx, const AttentionCall& call, const AttentionSaved& s,
                        ConstView grad_out, const AttentionGrads& grads);
// The probabilities before dropout, for inspection; q and k must be f32. probs [batch * H *
// queries.max_len, keys.max_len], 0 outside the sequences.
void attention_probs(Context& ctx, const AttentionCall& call, const AttentionSaved& s, View probs);

// --- Decoding step -------------------------------------------------------------------------------

// The keys and values that the rows of one decoding step attend to. Row r attends to rows
// index[first[r]], ..., index[first[r] + count[r] - 1] of k and v, oldest first. Rows may share
// entries of `index`.
struct CachedKeys {
  ConstView k, v;          // [pool rows, inner], both f32 or both bf16
  ConstView index;         // [1, n] i32
  ConstView first, count;  // [R, 1] i32; count > 0
};
// q [R, inner] -> out [R, inner], compute type. If call.bias is set, row r is at position count[r]
// - 1.
void attention_step(Context& ctx, const AttentionCall& call, ConstView q, const CachedKeys& keys,
                    View out);
// y[index[r]] = x[r], rounded to y's type; x [R, n] compute type, y f32 or bf16, index [R, 1] i32,
// without duplicates.
void scatter_rows(Context& ctx, ConstView x, ConstView index, View y);

// --- Loss ----------------------------------------------------------------------------------------

// Output head and cross-entropy in one call; the full logits [T, V] are never stored.
//   loss of a token = (1 - eps) * nll + eps * mean over V of -log p    (Szegedy et al. 2016)
struct CrossEntropyCall {
  ConstView h;                   // [T, d_model] compute type
  const Weight* head = nullptr;  // [V, d_model], role WeightRole::head
  ConstView labels;              // [T, 1] i32
  float label_smoothing = 0;     // eps
  float grad_scale = 1;
};
// Either may be empty.
struct CrossEntropyGrads {
  View dh;         // [T, d_model] f32 = grad_scale * d sum / d h
  View grad_head;  // [V, d_model] += grad_scale * d sum / d head
};
// sums [1, 2] += { sum of losses, sum of nll }. The logits are f32, their gradient is of compute
// type. If matmuls are in bfloat16, h, dh and grad_head have no gaps between rows.
void linear_cross_entropy(Context& ctx, const CrossEntropyCall& call, View sums,
                          const CrossEntropyGrads& grads);

// --- Search --------------------------------------------------------------------------------------

// token[r] (i32) = argmax of logits[r] over all ids except `suppressed` (-1: none); the lowest id
// wins ties. log_prob[r] = its log-softmax over all ids; the view may be empty. NaN never wins;
// token[r] is -1 if no logit wins or the winning one is not finite.
void argmax_rows(Context& ctx, ConstView logits, std::int32_t suppressed, View token,
                 View log_prob);
struct TopK {
  std::int64_t beams = 1;
  std::int64_t k = 1;
  std::int32_t suppressed = -1;  // an id that is never chosen; -1: none
};
// For each group of `beams` consecutive rows, the k best of score[r] + log_softmax(logits[r])[v],
// best first, ties in order of index. values [R / beams, k]; index [R / beams, k] i32 =
// (r mod beams) * V + v.
void top_k_rows(Context& ctx, ConstView logits, ConstView score, const TopK& options, View values,
                View index);

// --- Optimizer -----------------------------------------------------------------------------------

// out [1, 1] = sum of squares of x [1, n], summed in double in fixed blocks. Not finite if any
// element is not.
void sum_of_squares(Context& ctx, ConstView x, View out);

// The backend decides whether a step updates the parameters and by how much the gradient is
// clipped. The host reads this decision after it has issued the update.
struct UpdateRule {
  float clip_norm = 0;  // 0: no clipping
  std::int64_t target_tokens = 0;
  float small_loss = 0;  // a zero gradient is acceptable up to this mean loss
};
// Columns of a decision [1, kDecisionSize].
enum Decision : std::int64_t {
  kGradNorm,   // norm of the full gradient before clipping
  kGradScale,  // factor for the gradient: clip_norm / norm if the norm is larger, else 1
               // (Pascanu et al., arXiv 1211.5063)
  kUpdated,    // 1, or 0 for a skipped step, which only clears the gradients
  kDecisionSize
};
// squares [w, n]: sums of squares of parts of the gradient, added in double, within each row first.
// losses [k, 1]: partial sums of the loss. A step is skipped if its norm or its mean loss per
// target token is not finite, or if its norm is 0 while its mean loss is above small_loss.
void decide_update(Context& ctx, const UpdateRule& rule, ConstView squares, ConstView losses,
                   View decision);

// The functions below follow a decision. With an empty view, they always update, using the unscaled
// gradient. Optimizers clear the gradients for the next step, even if this one is skipped.

// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), bias-corrected as in PyTorch:
//   g *= grad_scale; m, v moments; p -= lr * (decay * p + m_hat / (sqrt(v_hat) + eps))
struct AdamW {
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  std::int64_t step = 1;  // from 1, for the bias correction
};
// Adjacent parameters in flat buffers, [1, n], or, with `packed`, a single weight, whose packed
// form is updated along with its value. All views have the same shape and no gaps.
struct AdamWParam {
  View value, grad, m, v;
  const Weight* packed = nullptr;
};
// The backend's form of a list of parameters, built once. The weights must not move.
struct AdamWPlan;
std::shared_ptr<const AdamWPlan> plan_adamw(Context& ctx, const std::vector<AdamWParam>& params);
// Updates them all in one pass over memory.
void adamw(Context& ctx, const AdamW& options, const AdamWPlan& plan, ConstView decision);

// Adafactor (Shazeer & Stern 2018, arXiv 1804.04235) with a given learning rate and no first
// moment: Hugging Face's Adafactor with scale_parameter and relative_step off.
//   g *= grad_scale;  beta2 = 1 - step^decay_rate;
//   row_i = beta2 row_i + (1 - beta2) mean over j of (g_ij^2 + eps);  col_j likewise over i;
//   u_ij = g_ij / sqrt(row_i / mean(row) * col_j);  p -= lr * u / max(1, rms(u) / clip_threshold)
struct Adafactor {
  float lr = 0, eps = 1e-30f, clip_threshold = 1, decay_rate = -0.8f;
  std::int64_t step = 1;  // from 1
};
// The factored second moment: row [1, rows] and col [1, cols]. For a vector, row is empty and col
// is the full second moment. The weight's packed form is updated along with its value.
struct AdafactorParam {
  const Weight* weight = nullptr;
  View grad, row, col;
};
struct AdafactorPlan;
std::shared_ptr<const AdafactorPlan> plan_adafactor(Context& ctx,
                                                    const std::vector<AdafactorParam>& params);
void adafactor(Context& ctx, const Adafactor& options, const AdafactorPlan& plan,
               ConstView decision);

// average += t * (x - average), both flat: the moving average of the parameters x
void update_average(Context& ctx, float t, ConstView x, ConstView decision, View average);

}  // namespace switchyard
