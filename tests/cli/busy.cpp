// SPDX-License-Identifier: Apache-2.0
// Loaded before the C library: a machine that has been busy for a quarter of an hour. libgomp goes
// by that when OMP_DYNAMIC=true lets it choose how many threads a team gets.
extern "C" int getloadavg(double* averages, int count) {
  for (int i = 0; i < count; ++i) averages[i] = 64;
  return count;
}
