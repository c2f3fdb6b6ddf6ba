#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may include whom, and which library is seen where (ARCHITECTURE.md, "Invariants").
# Usage: layering.sh ROOT COMPILER...; prints each line that breaks a rule.
set -uo pipefail
cd "$1" || exit 2
shift
failures=0

# rule WHAT PATTERN ALLOWED FOLDER...: no line of the folders' sources outside the files ALLOWED
# matches (both are extended regular expressions).
rule() {
  local what=$1 pattern=$2 allowed=$3 found
  shift 3
  found=$(grep -rnE --include='*.h' --include='*.cpp' -e "$pattern" "$@" |
    grep -vE "^($allowed)[^:]*:")
  if [ -n "$found" ]; then
    printf '%s:\n%s\n' "$what" "$found"
    failures=$((failures + 1))
  fi
}

everywhere=(src simd tools tests bench)
rule 'oneDNN is seen in src/backend/cpu/onednn alone' \
  '#include [<"](oneapi/)?dnnl|dnnl::|dnnl_[a-z]+\(' 'src/backend/cpu/onednn|bench/gemm_rate' \
  "${everywhere[@]}"
rule 'Highway is seen in simd and bench/roofline alone' '#include [<"]hwy/' \
  'simd/|tests/simd/|bench/roofline' "${everywhere[@]}"
rule 'OpenMP is seen in src/core/parallel, src/backend/cpu and bench/gemm_rate alone' \
  '#pragma omp|_Pragma\("omp|#include <omp\.h>' 'src/core/parallel\.(h|cpp)|src/backend/cpu/|bench/gemm_rate' \
  "${everywhere[@]}"
rule 'SentencePiece is seen in src/text/sentencepiece_tokenizer.cpp and vocabulary_trainer.cpp alone' \
  '#include <sentencepiece' 'src/text/(sentencepiece_tokenizer|vocabulary_trainer)\.cpp' "${everywhere[@]}"
rule 'libzip is seen in src/io/zip_archive.cpp alone' \
  '#include [<"]zip\.h' 'src/io/zip_archive\.cpp' "${everywhere[@]}"
rule 'Boost.Program_options is seen in tools/command_line.cpp alone' \
  '#include [<"]boost/program_options' 'tools/command_line\.cpp' "${everywhere[@]}"
rule "above the contract nobody dereferences a view's data" \
  '(\.|->)data\b[^(]' '-' src/nn src/decode src/train src/io src/app
rule 'errors are thrown; only main(), and a signal, ends the program; only main() prints a result' \
  '\b(abort|_?exit|printf|HWY_ASSERT)\(|std::cout' 'src/app/stop_signal\.cpp' src simd

# may_include DIRECTORY ALLOWED: checks which of the project's headers a directory includes.
may_include() {
  [ -d "$1" ] || { echo "no directory $1"; failures=$((failures + 1)); }
  local found
  found=$(grep -rnE --include='*.h' --include='*.cpp' '#include "' "$1" |
    grep -vE "#include \"($2)")
  if [ -n "$found" ]; then
    printf '%s may include %s only:\n%s\n' "$1" "$2" "$found"
    failures=$((failures + 1))
  fi
}

below_nn='src/core/|src/backend/backend\.h|src/nn/'
may_include src/core 'src/core/'
may_include simd 'simd/|hwy/|src/core/(activation|dtype|rng|round)\.h'
may_include src/backend 'src/core/|simd/|src/backend/'
may_include src/nn "$below_nn"
may_include src/io "$below_nn|src/io/"
may_include src/decode "$below_nn|src/decode/"
may_include src/text 'src/core/|src/text/'
may_include src/train "$below_nn|src/io/|src/text/|src/train/"
may_include src/app 'src/(core|nn|io|decode|text|train|app)/|src/backend/backend\.h'
may_include tools 'src/|tools/'

# nvcc of Debian 12 knows no C++20.
if ! echo '#include "src/backend/backend.h"' |
  "$@" -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I. -x c++ -; then
  echo 'src/backend/backend.h does not compile as C++17'
  failures=$((failures + 1))
fi

exit $((failures > 0))
