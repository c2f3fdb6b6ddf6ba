// SPDX-License-Identifier: Apache-2.0
// Every operation of src/backend/backend.h as a simple, slow scalar template: the oracle for the
// kernels in simd/ and for every backend.
#pragma once

#include "tests/reference/attention.h"
#include "tests/reference/layers.h"
#include "tests/reference/matrix.h"
#include "tests/reference/output.h"
#include "tests/reference/routing.h"
