#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes adafactor.json: updates of small parameters by Adafactor of transformers.

Made with torch 2.15.0 (CPU), transformers 5.24.0:
    python3 tests/golden/make_adafactor.py > tests/golden/adafactor.json

The settings are those for fine-tuning T5 with a fixed learning rate. Gradients grow from step to step,
so that updates are clipped. The file is a list of cases: shape, lr, the initial param, and for each step
grad, the updated param and the state: row and col, or col alone for a vector.
"""
import json

import torch
from transformers.optimization import Adafactor

RATE = 0.01


def case(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    param = torch.nn.Parameter(torch.randn(shape, generator=generator))
    optimizer = Adafactor([param], lr=RATE, scale_parameter=False, relative_step=False, warmup_init=False)
    result = {'shape': shape, 'lr': RATE, 'param': param.flatten().tolist(), 'steps': []}
    for step in range(4):
        grad = torch.randn(shape, generator=generator) * 3.0 ** step
        if step == 1 and len(shape) == 2:
            grad[0] = 0
        param.grad = grad.clone()
        optimizer.step()
        state = optimizer.state[param]
        factored = len(shape) == 2
        row = state['exp_avg_sq_row'].tolist() if factored else []
        col = state['exp_avg_sq_col' if factored else 'exp_avg_sq'].tolist()
        result['steps'].append({'grad': grad.flatten().tolist(), 'param': param.detach().flatten().tolist(),
                                'row': row, 'col': col})
    return result


def rounded(value):
    """Rounds to nine digits, which determine a float32."""
    if isinstance(value, float):
        return float(f'{value:.9g}')
    if isinstance(value, list):
        return [rounded(x) for x in value]
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return value


CASES = [case(shape, seed) for seed, shape in enumerate([[5, 7], [1, 6], [3, 1], [9]])]
print('[' + ',\n'.join(json.dumps(rounded(c)) for c in CASES) + ']')
