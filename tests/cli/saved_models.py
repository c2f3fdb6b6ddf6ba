# SPDX-License-Identifier: Apache-2.0
"""Edits models that transformers has saved; `directory` is a pathlib.Path."""
import json

import torch
from safetensors.torch import load_file, save_file


def edit(directory, tensors=lambda tensors: None, config=lambda config: None):
    """`tensors` and `config` change the dictionary they are given; `tensors` may return another one."""
    path = directory / 'model.safetensors'
    held = load_file(path)
    held = tensors(held) or held
    save_file({name: tensor.clone() for name, tensor in held.items()}, path, metadata={'format': 'pt'})
    path = directory / 'config.json'
    fields = json.loads(path.read_text())
    config(fields)
    path.write_text(json.dumps(fields))


def as_base_model(directory):
    """Names as in the files of a base class."""
    edit(directory, lambda held: {'switch_transformers.' + name: tensor for name, tensor in held.items()})


def as_pytorch_file(directory):
    path = directory / 'model.safetensors'
    torch.save(load_file(path), directory / 'pytorch_model.bin')
    path.unlink()
