# SPDX-License-Identifier: Apache-2.0
"""The caps an environment may set: on the instruction set, and on OpenMP's threads."""
import os

CAPS = [{name: value} for name, value in (
    ('ONEDNN_MAX_CPU_ISA', 'AVX512_CORE'), ('ONEDNN_MAX_CPU_ISA', 'AVX2_VNNI'),
    ('ONEDNN_MAX_CPU_ISA', 'AVX2'), ('ONEDNN_MAX_CPU_ISA', 'avx'), ('ONEDNN_MAX_CPU_ISA', 'SSE41'),
    ('DNNL_MAX_CPU_ISA', 'AVX2'))]
BINDING = {'OMP_PROC_BIND', 'OMP_PLACES', 'GOMP_CPU_AFFINITY'}


def limits(busy):
    """busy: the library that makes libgomp believe the machine is busy."""
    return [{'OMP_THREAD_LIMIT': '1'}, {'OMP_MAX_ACTIVE_LEVELS': '0'},
            {'OMP_DYNAMIC': 'true', 'LD_PRELOAD': os.path.abspath(busy)}]


def environment(changes):
    """This program's environment, with `changes` as its only caps and limits."""
    names = {name for each in CAPS + limits('') for name in each} | BINDING
    return {**{n: v for n, v in os.environ.items() if n not in names}, **changes}
