# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/pytorch: files of torch.save, and the same tensors as safetensors.

Made with torch 2.15.0 (CPU), safetensors 0.8.0:
    python3 make_pytorch.py

    tensors.bin, tensors.safetensors   every dtype and layout that is read
    parameters.bin                     a plain dict of nn.Parameter, without checksums
    shards/                            tensors.bin in two shards and their index, names with '/'
    old.bin                            the format before torch 1.6: refused
    protocol4.bin                      pickle protocol 4: refused
"""
import json
import pathlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / 'pytorch'


def state_dict():
    torch.manual_seed(1)
    shared = torch.randn(6, 4)
    big = torch.randn(5, 6)
    wide = torch.arange(24, dtype=torch.int32).reshape(2, 3, 4)
    state = OrderedDict()
    state['shared.weight'] = shared
    state['encoder.embed_tokens.weight'] = shared
    state['lm_head.weight'] = shared
    state['f16'] = torch.randn(3).to(torch.float16)
    state['bf16'] = torch.randn(2, 2).to(torch.bfloat16)
    state['f64'] = torch.randn(2, dtype=torch.float64)
    state['i64'] = torch.tensor([-1, 2**40])
    state['i16'] = torch.tensor([-2, 300], dtype=torch.int16)
    state['i8'] = torch.tensor([-3], dtype=torch.int8)
    state['u8'] = torch.tensor([200], dtype=torch.uint8)
    state['bool'] = torch.tensor([True, False])
    state['scalar'] = torch.tensor(2.5)
    state['empty'] = torch.zeros(0, 3)
    state['transposed'] = big.t()
    state['columns'] = big[:, 1:4]
    state['rows'] = big[2:4]
    state['every_second'] = big[::2, ::2]
    state['permuted'] = wide.permute(2, 0, 1)
    state['expanded'] = torch.tensor([[7.0], [8.0]]).expand(2, 3)
    state['one_row'] = big.t()[:1]
    state._metadata = OrderedDict([('', {'version': 1}), ('encoder', {'version': 1})])
    return state


def main():
    (HERE / 'shards').mkdir(parents=True, exist_ok=True)
    state = state_dict()
    torch.save(state, HERE / 'tensors.bin')
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()},
              HERE / 'tensors.safetensors')

    torch.serialization.set_crc32_options(False)
    few = {'a': torch.nn.Parameter(torch.tensor([1.0, 2.0])),
           'b': torch.nn.Parameter(torch.tensor([[3.0]]), requires_grad=False)}
    torch.save(few, HERE / 'parameters.bin')
    torch.serialization.set_crc32_options(True)
    torch.save(few, HERE / 'old.bin', _use_new_zipfile_serialization=False)
    torch.save(few, HERE / 'protocol4.bin', pickle_protocol=4)

    names = list(state)
    files = [f'pytorch_model-0000{i}-of-00002.bin' for i in (1, 2)]
    weight_map = {}
    # The tied tensors are in different shards.
    for file, part in zip(files, (names[1:9], names[:1] + names[9:])):
        torch.save({name: state[name] for name in part}, HERE / 'shards' / file)
        weight_map.update({name.replace('.', '/'): file for name in part})
    with open(HERE / 'shards' / 'pytorch_model.bin.index.json', 'w') as index:
        json.dump({'metadata': {'total_size': 1}, 'weight_map': weight_map}, index, indent=0)
        index.write('\n')


main()
