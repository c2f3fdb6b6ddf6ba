// SPDX-License-Identifier: Apache-2.0
// Conversion between the contract's views and the reference's matrices: operations load views into
// double, compute there, and round once when storing.
#pragma once

#include "tests/reference/matrix.h"

namespace switchyard::reference {

Matrix<double> load(ConstView view);  // f32 or bf16; an empty view gives a matrix without rows
IntMatrix load_ints(ConstView view);  // i32; likewise
Sequences load(const Ragged& ragged);

// No-ops for an empty view. Rows of `values` beyond the view's are ignored.
void store(const Matrix<double>& values, View view);
void store(const IntMatrix& values, View view);
void add_to(const Matrix<double>& values, View view);

}  // namespace switchyard::reference
