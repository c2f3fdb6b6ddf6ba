#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Highway 1.0.3 (Debian 12) and 1.2.0 (Debian 13), x86-64: hwy::SupportedTargets() undoes
# hwy::DisableTargets() for all later dispatches, although it returns the capped set itself.
#
# A program that caps its kernels with DisableTargets() and then calls SupportedTargets(), for instance to
# log the instruction set in use, runs uncapped from then on, until the next DisableTargets(). If the
# layout of packed data depends on the vector length, data packed before is misread after. With 1.0.3 on
# Zen 4:
#   at first                      AVX3
#   after DisableTargets()        SSE4
#   after SupportedTargets()      AVX3
#   after DisableTargets() again  SSE4
# With 1.2.0 the same, with AVX3_ZEN4.
#
# Needs Debian or Ubuntu with the package libhwy-dev, g++, and a processor with AVX2. Unpacks the package
# in a temporary directory. Exit code 0 if the behaviour is as described, 1 if it has changed.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
apt-get -q download libhwy-dev "$(apt-cache depends libhwy-dev | sed -n 's/.*Depends: \(libhwy1[^ ]*\)/\1/p')" >/dev/null
for package in *.deb; do dpkg -x "$package" root; done
echo "Highway $(dpkg-deb -f libhwy-dev_*.deb Version)"
cat >probe.cpp <<'CPP'
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "probe.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
HWY_BEFORE_NAMESPACE();
namespace probe::HWY_NAMESPACE {
const char* name() { return hwy::TargetName(HWY_TARGET); }
}  // namespace probe::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#if HWY_ONCE
#include <cstdio>
#include <cstring>
namespace probe {
HWY_EXPORT(name);
const char* dispatched() { return HWY_DYNAMIC_DISPATCH(name)(); }
}  // namespace probe
int main() {
  const auto better_than_sse4 = HWY_SSE4 - 1;
  const char* best = probe::dispatched();
  std::printf("at first                      %s\n", best);
  hwy::DisableTargets(better_than_sse4);
  const char* capped = probe::dispatched();
  std::printf("after DisableTargets()        %s\n", capped);
  const bool is_capped = (hwy::SupportedTargets() & better_than_sse4) == 0;
  const char* after = probe::dispatched();
  std::printf("after SupportedTargets()      %s\n", after);
  hwy::DisableTargets(better_than_sse4);
  const char* again = probe::dispatched();
  std::printf("after DisableTargets() again  %s\n", again);
  const auto same = [](const char* a, const char* b) { return std::strcmp(a, b) == 0; };
  return is_capped && !same(best, capped) && same(after, best) && same(again, capped) ? 0 : 1;
}
#endif
CPP
lib=$(dirname "$(find root -name 'libhwy.so*' | head -n 1)")
g++ -std=c++17 -O1 -I. -Iroot/usr/include -DHWY_SHARED_DEFINE probe.cpp -L"$lib" -lhwy -o probe
LD_LIBRARY_PATH=$lib ./probe || { echo 'the behaviour has changed'; exit 1; }
