#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# With OMP_THREAD_LIMIT=1 or OMP_MAX_ACTIVE_LEVELS=0, and omp_set_num_threads(2), oneDNN reports success
# but leaves part of a matmul's result unwritten: it divides the work among omp_get_max_threads() threads,
# but OpenMP grants a smaller team.
#
# Affects the GNU OpenMP builds on PyPI, onednn-cpu-gomp 2022.2.1 (dnnl_version() says 2.6.0) and
# 2023.2.0 (3.2.0), and with Debian 12's libdnnl2 2.6.3, all with the same counts; dnnl_sgemm of 3.7.2
# behaves the same way. On an AVX-512 processor with AVX512_BF16, for 3,374 shapes m x n x k of 1 to 512 and
# row-major matrices of small integers, whose products are exact:
#   dnnl_sgemm         978 shapes wrong: all with m, n > 1 and m * n * k >= 196,608, and some narrow
#                      ones (n <= 8, m >= 64) from k = 1 on. Vectors (m or n = 1) are right.
#   matmul, float32    2,384 shapes wrong: exactly those with m > 16 or n > 64.
#   matmul, bfloat16   the same 2,384.
# In each case the elements that were written are right, and usually half of the elements were not.
# Without the variables, or with omp_set_num_threads(1), every shape is right.
#
# usage: findings/onednn-team.sh    needs python3 with venv, g++, the network; not part of CI
# Exit code: 0 if oneDNN behaves as described (the counts depend on the processor and are not compared),
# 1 if not, 2 if it could not be tried.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/probe.cpp" <<'END'
// usage: probe THREADS. Prints "METHOD: SHAPES shapes, WRONG wrong, ..." for each method.
#include <omp.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <string>
#include <vector>

using dnnl::memory;
using Floats = std::vector<float>;

// -2 ... 2, exact in bfloat16; sums of 512 products are exact in float.
Floats whole_numbers(int count, int seed) {
  Floats values(count);
  for (int i = 0; i < count; ++i) values[i] = static_cast<float>((i * 7 + seed * 3) % 5 - 2);
  return values;
}

void sgemm(int m, int n, int k, const Floats& a, const Floats& b, Floats& c) {
  if (dnnl_sgemm('N', 'N', m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n) != dnnl_success)
    throw dnnl::error(dnnl_runtime_error, "dnnl_sgemm");
}

void matmul(memory::data_type type, int m, int n, int k, const Floats& a, const Floats& b,
            Floats& c) {
  const auto stored = [&](const Floats& values) {
    std::vector<char> bytes;
    for (const float x : values) {
      const char* data = reinterpret_cast<const char*>(&x);
      // The upper half is the bfloat16.
      bytes.insert(bytes.end(), data + (type == memory::data_type::bf16 ? 2 : 0), data + 4);
    }
    return bytes;
  };
  std::vector<char> a_bytes = stored(a), b_bytes = stored(b);
  const auto matrix = [&](int rows, int cols, memory::data_type t) {
    return memory::desc({rows, cols}, t, memory::format_tag::ab);
  };
  const auto a_desc = matrix(m, k, type), b_desc = matrix(k, n, type);
  const auto c_desc = matrix(m, n, memory::data_type::f32);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc primitive(engine, a_desc, b_desc, c_desc);
#else
  const dnnl::matmul::primitive_desc primitive(dnnl::matmul::desc(a_desc, b_desc, c_desc), engine);
#endif
  dnnl::stream stream(engine);
  dnnl::matmul(primitive).execute(
      stream, {{DNNL_ARG_SRC, memory(a_desc, engine, a_bytes.data())},
               {DNNL_ARG_WEIGHTS, memory(b_desc, engine, b_bytes.data())},
               {DNNL_ARG_DST, memory(c_desc, engine, c.data())}});
  stream.wait();
}

int main(int, char** argv) {
  omp_set_num_threads(std::atoi(argv[1]));
  int team = 0;
#pragma omp parallel
#pragma omp single
  team = omp_get_num_threads();
  const dnnl_version_t* version = dnnl_version();
  std::printf("  oneDNN %d.%d.%d, omp_get_max_threads() %d, team of %d\n", version->major,
              version->minor, version->patch, omp_get_max_threads(), team);
  const int sizes[] = {1, 2, 3, 4, 8, 16, 31, 32, 33, 48, 64, 96, 128, 256, 512};
  for (const std::string method : {"dnnl_sgemm", "matmul_f32", "matmul_bf16"}) {
    int shapes = 0, wrong = 0, wrong_elsewhere = 0, errors = 0;
    for (const int m : sizes)
      for (const int n : sizes)
        for (const int k : sizes) {
          if (std::int64_t{m} * n * k > 64 << 20) continue;
          ++shapes;
          const Floats a = whole_numbers(m * k, 1), b = whole_numbers(k * n, 2);
          Floats c(m * n, NAN);
          try {
            if (method == "dnnl_sgemm")
              sgemm(m, n, k, a, b, c);
            else
              matmul(method == "matmul_f32" ? memory::data_type::f32 : memory::data_type::bf16, m,
                     n, k, a, b, c);
          } catch (const dnnl::error&) {
            ++errors;
            continue;
          }
          int unwritten = 0, other = 0;
          for (int i = 0; i < m; ++i)
            for (int j = 0; j < n; ++j) {
              float sum = 0;
              for (int l = 0; l < k; ++l) sum += a[i * k + l] * b[l * n + j];
              if (std::isnan(c[i * n + j]))
                ++unwritten;
              else if (c[i * n + j] != sum)
                ++other;
            }
          wrong += unwritten + other > 0;
          wrong_elsewhere += other > 0;
        }
    std::printf("  %s: %d shapes, %d wrong, %d with written elements that are wrong, %d errors\n",
                method.c_str(), shapes, wrong, wrong_elsewhere, errors);
  }
}
END

status=0
differs() {
  echo "  NOT AS DESCRIBED: $1"
  status=1
}

# try EXPECTED THREADS [VARIABLE=VALUE]: EXPECTED is right or unwritten.
try() {
  expected=$1 threads=$2
  shift 2
  echo "$package, omp_set_num_threads($threads) $*"
  env -u OMP_THREAD_LIMIT -u OMP_MAX_ACTIVE_LEVELS -u OMP_DYNAMIC OMP_WAIT_POLICY=passive "$@" \
    "$work/probe" "$threads" > "$work/output" || exit 2
  cat "$work/output"
  for method in dnnl_sgemm matmul_f32 matmul_bf16; do
    line=$(grep "$method:" "$work/output")
    case "$line" in
      *" 3374 errors") continue ;; # a processor without bfloat16
      *" 0 wrong, 0 with written elements that are wrong, 0 errors") seen=right ;;
      *" 0 with written elements that are wrong, 0 errors") seen=unwritten ;;
      *) seen=otherwise ;;
    esac
    [ "$seen" = "$expected" ] || differs "$method is $seen, expected $expected"
  done
}

for version in 2022.2.1 2023.2.0; do
  package="onednn-cpu-gomp $version"
  python3 -m venv "$work/$version" || exit 2
  "$work/$version/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    "onednn-cpu-gomp==$version" "onednn-devel-cpu-gomp==$version" || exit 2
  g++ -O1 -fopenmp -w -I"$work/$version/include" "$work/probe.cpp" -o "$work/probe" \
    -L"$work/$version/lib" -ldnnl -Wl,-rpath,"$work/$version/lib" || exit 2
  try right 2
  try unwritten 2 OMP_THREAD_LIMIT=1
  try unwritten 2 OMP_MAX_ACTIVE_LEVELS=0
  try right 1 OMP_THREAD_LIMIT=1
done
[ $status -ne 0 ] || echo "as described in the head of $0"
exit $status
