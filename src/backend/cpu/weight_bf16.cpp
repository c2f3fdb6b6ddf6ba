// SPDX-License-Identifier: Apache-2.0
// A weight in bfloat16, packed twice: w^T [in, out] for y = x . w^T and, in training, w [out, in]
// for dx = dy . w (a head's is in blocks of kHeadBlock rows).
//
// In a row-invariant context without AMX, simd/bf16_gemm multiplies any number of rows. With AMX
// and in training, oneDNN multiplies in tiles of rows: the last tile is rounded up to a multiple of
// kBf16Rounding rows, which the row capacity of token matrices allows. The rows of each expert
// begin at such a multiple.
#include "src/backend/cpu/weight_bf16.h"

#include <omp.h>

#include <atomic>

#include "simd/bf16_gemm.h"
#include "simd/pack_bf16.h"
#include "simd/rows.h"
#include "src/backend/cpu/bf16_gradient.h"
#include "src/backend/cpu/views.h"
#include "src/core/error.h"

namespace switchyard::cpu {

static_assert(kPackedRows == simd::kBf16PanelCols);

namespace {

const Bf16* transposed(const Weight& w) { return bf16(w.packed->bf16_transposed.view()); }

// Of a packed matrix [k, n].
std::int64_t packed_elements(std::int64_t k, std::int64_t n) {
  return simd::packed_bf16_panels(n) * simd::packed_bf16_panel_size(k);
}

// At most one tile of rows, on the calling thread.
bool run_tile(const Bf16Matmul& matmul, const ConstView& a, const Bf16* b, const View& c) {
  return matmul.run(omp_get_thread_num(), bf16_rounded(a.rows), bf16(a), b, c.data);
}

// All rows, on the calling thread.
bool run_rows(const Bf16Matmul& matmul, const ConstView& a, const Bf16* b, const View& c) {
  bool ok = true;
  for (std::int64_t first = 0; first < a.rows; first += matmul.max_size()) {
    const std::int64_t count = std::min(matmul.max_size(), a.rows - first);
    ok = run_tile(matmul, a.slice_rows(first, count), b, c.slice_rows(first, count)) && ok;
  }
  return ok;
}

// All rows, on all threads.
void run_all(Context& ctx, const ConstView& a, const Bf16* b, Write write, const View& c) {
  if (a.rows == 0) return;
  assert(c.contiguous() && a.row_capacity >= bf16_rounded(a.rows) &&
         c.row_capacity >= bf16_rounded(a.rows));
  const Bf16Matmul& matmul = rows_matmul(ctx, c.cols, a.cols, c.dtype, write);
  const std::int64_t tile = matmul.max_size();
  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  parallel_tasks(ctx.threads, (a.rows + tile - 1) / tile, [&](std::int64_t i) {
    const std::int64_t first = i * tile, count = std::min(tile, a.rows - first);
    if (!run_tile(matmul, a.slice_rows(first, count), b, c.slice_rows(first, count))) ok = false;
  });
  check_matmul(ok);
}

simd::Rows<const Bf16> rows_of(const ConstView& x) { return {bf16(x), x.row_stride}; }

// y = x . w^T by simd/bf16_gemm, on all threads.
void multiply_all(Context& ctx, const ConstView& x, const Bf16* w, const View& y) {
  for_result_blocks(ctx, y, [&](const ResultBlock& b) {
    simd::bf16_gemm(b.rows, b.first_col, b.last_col, x.cols, from(rows_of(x), b.row), w,
                    from(any(y), b.row));
  });
}

// Rows per task: several tiles if tiles are small.
std::int64_t planned_rows(const Bf16Matmul& matmul) {
  return std::max(matmul.max_size(), kSmallTile);
}

// Rounds and packs the rows [first, first + kPackedRows) of the value: one panel of the transposed
// matrix, and these rows of every panel of the plain one.
void pack_rows(const Weight& weight, std::int64_t first) {
  const View& w = weight.value;
  const std::int64_t panel = first / simd::kBf16PanelCols;
  simd::pack_bf16_transposed(
      w.cols, w.rows, f32(w), panel,
      bf16(weight.packed->bf16_transposed.view()) + panel * simd::packed_bf16_panel_size(w.cols));
  if (weight.packed->bf16.bytes() == 0) return;
  const bool is_head = weight.role == WeightRole::head;
  const std::int64_t rows = std::min(simd::kBf16PanelCols, w.rows - first);
  const std::int64_t block = is_head ? first / kHeadBlock * kHeadBlock : 0;
  const std::int64_t block_rows = is_head ? std::min(kHeadBlock, w.rows - block) : w.rows;
  const std::int64_t panels = simd::packed_bf16_panels(w.cols);
  Bf16* const to = bf16(weight.packed->bf16.view()) + panels * (block * simd::kBf16PanelCols) +
                   (first - block) * simd::kBf16PanelCols;
  for (std::int64_t p = 0; p < panels; ++p)
    simd::pack_bf16(rows, w.cols, from(f32(w), first), p,
                    to + p * simd::packed_bf16_panel_size(block_rows));
}

}  // namespace

void check_gradients(const Context& ctx) {
  check(!ctx.row_invariant, ErrorKind::kRuntime,
        "gradients in bfloat16 need a context that is not row-invariant");
}

const Bf16* plain(const Weight& w) {
  check(w.packed->bf16.bytes() > 0, ErrorKind::kRuntime, "a weight [", w.value.rows, ", ",
        w.value.cols, "] is needed for gradients, but was prepared for a row-invariant context");
  return bf16(w.packed->bf16.view());
}

const WeightForm& bf16_form() {
  static const Bf16Form form;
  return form;
}

bool takes_any_rows(const Context& ctx) { return ctx.row_invariant && !has_amx_bf16(); }

// Optimizers repack only this form; panels are packed when a trained model translates.
bool is_renewed(const Weight& w) { return w.packed && w.packed->bf16.bytes() > 0; }
void renew_rows(const Weight& w, std::int64_t first) {
  if (!is_renewed(w)) return;
  assert(first % kPackedRows == 0);
  pack_rows(w, first);
}

const Bf16Matmul& rows_matmul(Context& ctx, std::int64_t n, std::int64_t k, DType out,
                              Write write) {
  const auto kind = ctx.row_invariant ? Bf16Matmul::kFixedRows : Bf16Matmul::kRows;
  return ctx.device->bf16_matmuls.get(ctx, {kind, n, k, out, write == Write::add});
}

bool Bf16Form::is_in(const Weight& w) const {
  return w.packed && w.packed->bf16_transposed.bytes() > 0;
}

void Bf16Form::pack(Context& ctx, Weight& weight) const {
  const View w = value_of(weight);
  const auto make_room = [&](Tensor& packed, std::int64_t k, std::int64_t n) {
    if (packed.bytes() == 0) packed = Tensor(ctx, 1, packed_elements(k, n), DType::bf16);
  };
  make_room(weight.packed->bf16_transposed, w.cols, w.rows);
  if (!ctx.row_invariant) make_room(weight.packed->bf16, w.rows, w.cols);
  parallel_for(ctx.threads, 0, w.rows, kPackedRows,
               [&](std::int64_t first, std::int64_t) { pack_rows(weight, first); });
}

// Training has w [out, in] too, which changes with every update.
std::string Bf16Form::layout(const Context& ctx) const {
  if (!ctx.row_invariant) return {};
  return "bfloat16-" + std::to_string(simd::kBf16PanelCols) + "x" +
         std::to_string(simd::kBf16PanelRows);
}

std::int64_t Bf16Form::packed_bytes(std::int64_t out, std::int64_t in) const {
  return packed_elements(in, out) * std::int64_t{sizeof(Bf16)};
}

void Bf16Form::forward(Context& ctx, const ConstView& x, const Weight& w, View y) const {
  if (takes_any_rows(ctx)) return multiply_all(ctx, x, transposed(w), y);
  run_all(ctx, x, transposed(w), Write::overwrite, y);
}

void Bf16Form::input_gradient(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                              View dx) const {
  assert(w.role != WeightRole::head);
  check_gradients(ctx);
  run_all(ctx, dy, plain(w), write, dx);
}

void Bf16Form::weight_gradient(Context& ctx, const ConstView& dy, const ConstView& x,
                               View dw) const {
  check_gradients(ctx);
  const std::int64_t tokens = bf16_rounded(dy.rows);
  // The sum over tokens includes the padding.
  for (const ConstView& v : {dy, x})
    simd::fill(tokens - v.rows, v.cols, 0, any(padding_of(v, tokens - v.rows)));
  const Bf16Gradient gradient(ctx, dy.cols, x.cols);
  const ArenaScope scope(ctx.scratch);
  auto* scratch = scratch_array<Bf16>(ctx, gradient.scratch_elements(tokens, ctx.threads));
  const OneThreadEach one_thread_each;
  check_matmul(gradient.run(0, ctx.threads, tokens, dy, x, dw, scratch));
}

void Bf16Form::rows(Context& ctx, const Weight& w, ConstView ids, View y) const {
  for_looked_up_rows(ctx, ids, y, [&](std::int64_t id, float* row) {
    const Bf16* const panel =
        transposed(w) + id / simd::kBf16PanelCols * simd::packed_bf16_panel_size(y.cols);
    for (std::int64_t k = 0; k < y.cols; ++k)
      row[k] = bf16_to_f32(panel[simd::packed_bf16_index(k, id)].bits);
  });
}

RowPlan Bf16Form::plan_forward(Context& ctx, const Weight& w) const {
  const auto [out, in] = std::pair(w.value.rows, w.value.cols);
  if (takes_any_rows(ctx)) return {kSmallTile, 0, 0};
  return {planned_rows(rows_matmul(ctx, out, in, DType::bf16, Write::overwrite)), 0, 0};
}

RowPlan Bf16Form::plan_backward(Context& ctx, const Weight& w, Write write,
                                std::int64_t tokens) const {
  check_gradients(ctx);
  plain(w);
  const auto [out, in] = std::pair(w.value.rows, w.value.cols);
  const Bf16Gradient gradient(ctx, out, in);
  return {planned_rows(rows_matmul(ctx, in, out, DType::bf16, write)),
          gradient.scratch_elements(tokens, 1) / 2 + 1, 0};
}

bool Bf16Form::forward_rows(Context& ctx, const ConstView& x, const Weight& w, View y,
                            float*) const {
  if (takes_any_rows(ctx)) {
    simd::bf16_gemm(x.rows, 0, y.cols, x.cols, rows_of(x), transposed(w), any(y));
    return true;
  }
  return run_rows(rows_matmul(ctx, y.cols, x.cols, y.dtype, Write::overwrite), x, transposed(w), y);
}

bool Bf16Form::input_gradient_rows(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                                   View dx) const {
  return run_rows(rows_matmul(ctx, dx.cols, dy.cols, dx.dtype, write), dy, plain(w), dx);
}

bool Bf16Form::weight_gradient_rows(Context& ctx, const ConstView& dy, const ConstView& x, View dw,
                                    float* scratch) const {
  return Bf16Gradient(ctx, dw.rows, dw.cols)
      .run(omp_get_thread_num(), 1, x.rows, dy, x, dw, reinterpret_cast<Bf16*>(scratch));
}

}  // namespace switchyard::cpu
