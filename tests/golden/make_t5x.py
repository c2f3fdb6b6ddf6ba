# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/t5x: checkpoints in the form in which T5X writes them (t5x/checkpoints.py), and the same tensors
under Hugging Face's names as safetensors.

Made with flax 0.12.8, jax 0.10.2, tensorstore 0.1.86, ml_dtypes 0.6.0, numpy 2.4.6, Python 3.11:
    python3 make_t5x.py T5X

T5X is a checkout of google-research/t5x, cc342d4, whose own T5 (examples/t5/network.py) computes logits.

    switch/checkpoint_7    a Switch Transformer with a tied head; zarr arrays in several chunks, partly experts that
                           share a chunk; norms and biases in the file itself, as T5X stores what is not partitioned
    gated/checkpoint_7     gated experts and an untied head in bfloat16, described as for the cloud
    t5/checkpoint_7        T5 1.1 in float16, everything in the file
    *.safetensors          the tensors of each
    t5-logits.safetensors  the logits of T5X's own T5, in float32, with the parameters of t5: input_ids and labels
                           [1, len], logits [1, len, vocab]
"""
import importlib.util
import json
import pathlib
import shutil
import struct
import sys
import types

import jax
import ml_dtypes
import numpy as np
import tensorstore as ts
from flax import serialization, traverse_util

HERE = pathlib.Path(__file__).parent / 't5x'
VOCAB, D_MODEL, HEADS, D_KV, D_FF, EXPERTS = 12, 6, 2, 4, 20, 3
DTYPES = {'float32': 'F32', 'bfloat16': 'BF16', 'float16': 'F16', 'int64': 'I64'}


class Model:
    """Parameters by T5X's path, and the tensors that they are by Hugging Face's name."""

    def __init__(self, seed, dtype, buckets):
        self.buckets = buckets
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        self.parameters = {}
        self.tensors = {}

    def array(self, path, *shape):
        values = self.random.standard_normal(shape, np.float32).astype(self.dtype)
        self.parameters[path] = values
        return values

    def vector(self, path, name, size):
        self.tensors[name] = self.array(path, size)

    def matrix(self, path, name, rows, cols):
        self.tensors[name] = self.array(path, rows, cols).T

    def attention(self, path, name):
        for t5x, hf in (('query', 'q'), ('key', 'k'), ('value', 'v')):
            self.matrix(f'{path}/{t5x}/kernel', f'{name}.{hf}.weight', D_MODEL, HEADS * D_KV)
        self.matrix(f'{path}/out/kernel', f'{name}.o.weight', HEADS * D_KV, D_MODEL)

    def dense(self, path, name, gated):
        for wi in ('wi_0', 'wi_1') if gated else ('wi',):
            self.matrix(f'{path}/{wi}/kernel', f'{name}.{wi}.weight', D_MODEL, D_FF)
        self.matrix(f'{path}/wo/kernel', f'{name}.wo.weight', D_FF, D_MODEL)

    def experts(self, path, name, gated):
        self.matrix(f'{path}/router/router_weights/w/kernel', f'{name}.router.classifier.weight', D_MODEL, EXPERTS)
        for w in (*(('wi_0', 'wi_1') if gated else ('wi',)), 'wo'):
            size = (D_FF, D_MODEL) if w == 'wo' else (D_MODEL, D_FF)
            for e, expert in enumerate(self.array(f'{path}/expert/{w}/kernel', EXPERTS, *size)):
                self.tensors[f'{name}.experts.expert_{e}.{w}.weight'] = expert.T

    def ffn(self, path, name, sparse, gated, mlp):
        if sparse:
            self.experts(f'{path}/mlp', f'{name}.mlp', gated)
        else:
            self.dense(f'{path}/mlp', f'{name}.{mlp}', gated)

    def stack(self, stack, sparse_layers, gated, mlp):
        bias = self.array(f'{stack}/relpos_bias/rel_embedding', HEADS, self.buckets)
        self.tensors[f'{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight'] = bias.T
        for i, sparse in enumerate(sparse_layers):
            path, block = f'{stack}/layers_{i}', f'{stack}.block.{i}.layer'
            if stack == 'encoder':
                self.vector(f'{path}/pre_attention_layer_norm/scale', f'{block}.0.layer_norm.weight', D_MODEL)
                self.attention(f'{path}/attention', f'{block}.0.SelfAttention')
                self.vector(f'{path}/pre_mlp_layer_norm/scale', f'{block}.1.layer_norm.weight', D_MODEL)
                self.ffn(path, f'{block}.1', sparse, gated, mlp)
            else:
                self.vector(f'{path}/pre_self_attention_layer_norm/scale', f'{block}.0.layer_norm.weight', D_MODEL)
                self.attention(f'{path}/self_attention', f'{block}.0.SelfAttention')
                self.vector(f'{path}/pre_cross_attention_layer_norm/scale', f'{block}.1.layer_norm.weight', D_MODEL)
                self.attention(f'{path}/encoder_decoder_attention', f'{block}.1.EncDecAttention')
                self.vector(f'{path}/pre_mlp_layer_norm/scale', f'{block}.2.layer_norm.weight', D_MODEL)
                self.ffn(path, f'{block}.2', sparse, gated, mlp)
        self.vector(f'{stack}/{stack}_norm/scale', f'{stack}.final_layer_norm.weight', D_MODEL)


def write_safetensors(path, tensors):
    header, data = {}, b''
    for name, values in sorted(tensors.items()):
        content = np.ascontiguousarray(values).tobytes()
        header[name] = {'dtype': DTYPES[values.dtype.name], 'shape': values.shape,
                        'data_offsets': [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + data)


def make_model(seed, dtype, encoder, decoder, gated, tied, buckets=8):
    model = Model(seed, dtype, buckets)
    model.tensors['shared.weight'] = model.array('token_embedder/embedding', VOCAB, D_MODEL)
    mlp = 'mlp' if any(encoder + decoder) else 'DenseReluDense'
    model.stack('encoder', encoder, gated, mlp)
    model.stack('decoder', decoder, gated, mlp)
    if not tied:
        model.matrix('decoder/logits_dense/kernel', 'lm_head.weight', D_MODEL, VOCAB)
    return model


def write_zarr(directory, path, values, chunks, cloud):
    """Writes an array and returns its description, as Checkpointer._write_array does."""
    name = 'target.' + path.replace('/', '.')
    metadata = {'shape': list(values.shape), 'chunks': chunks, 'compressor': {'id': 'gzip'}}
    spec = {'driver': 'zarr', 'dtype': values.dtype.name, 'metadata': metadata}
    array = ts.open({**spec, 'kvstore': {'driver': 'file', 'path': str(directory / name)}}, create=True).result()
    array.write(values).result()
    place = {'driver': 'file'}
    if cloud:
        place = {'driver': 'gcs', 'bucket': 't5x-dummy-bucket'}
    return ts.Spec({**spec, 'kvstore': {**place, 'path': name}}).to_json()


def write_checkpoint(model, directory, chunks_of, cloud=False):
    """`chunks_of` gives the chunks of an array by its path and shape, or None to store it in the file."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    target = {}
    for path, values in model.parameters.items():
        *parents, last = path.split('/')
        node = target
        for key in parents:
            node = node.setdefault(key, {})
        chunks = chunks_of(path, values.shape)
        node[last] = values if chunks is None else write_zarr(directory, path, values, chunks, cloud)
    # Adafactor's state, which is not read.
    state = {'step': np.int32(7), 'param_states': {'token_embedder': {'embedding': {
        'm': np.zeros(1, np.float32), 'v_row': np.zeros(VOCAB, np.float32)}}}}
    content = serialization.to_bytes({'version': 3, 'optimizer': {'target': target, 'state': state}})
    (directory / 'checkpoint').write_bytes(content)


def switch_chunks(path, shape):
    if len(shape) == 1 or 'relpos_bias' in path:
        return None
    if 'expert/wi' in path:
        return [2, 6, 8]
    if 'expert/wo' in path:
        return [1, 5, 6]
    return [shape[0], 4] if 'query' in path else list(shape)


def t5x_network(t5x):
    """T5X's module of its T5, without the rest of T5X."""
    for package in ('t5x', 't5x.examples', 't5x.examples.t5'):
        sys.modules[package] = types.ModuleType(package)
    for name in ('layers', 'network'):
        spec = importlib.util.spec_from_file_location('t5x.examples.t5.' + name, t5x / 't5x/examples/t5' / (name + '.py'))
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        setattr(sys.modules['t5x.examples.t5'], name, module)
        spec.loader.exec_module(module)
    return sys.modules['t5x.examples.t5.network']


def write_logits(network, model, encoder_layers, decoder_layers, path):
    config = network.T5Config(vocab_size=VOCAB, emb_dim=D_MODEL, num_heads=HEADS, num_encoder_layers=encoder_layers,
                              num_decoder_layers=decoder_layers, head_dim=D_KV, mlp_dim=D_FF,
                              mlp_activations=('gelu', 'linear'))
    source = model.random.integers(1, VOCAB, (1, 40))
    target = model.random.integers(1, VOCAB, (1, 25))
    parameters = {path: values.astype(np.float32) for path, values in model.parameters.items()}
    with jax.default_matmul_precision('highest'):
        logits = network.Transformer(config).apply(
            {'params': traverse_util.unflatten_dict(parameters, sep='/')}, source,
            np.pad(target, ((0, 0), (1, 0)))[:, :-1], target, enable_dropout=False)
    write_safetensors(path, {'input_ids': source, 'labels': target, 'logits': np.asarray(logits)})


def main():
    model = make_model(1, np.float32, [False, True], [True], gated=False, tied=True)
    write_checkpoint(model, HERE / 'switch' / 'checkpoint_7', switch_chunks)
    write_safetensors(HERE / 'switch.safetensors', model.tensors)

    model = make_model(2, ml_dtypes.bfloat16, [True], [False], gated=True, tied=False)
    write_checkpoint(model, HERE / 'gated' / 'checkpoint_7',
                     lambda path, shape: list(shape) if 'mlp' in path and len(shape) > 1 else None, cloud=True)
    write_safetensors(HERE / 'gated.safetensors', model.tensors)

    model = make_model(3, np.float16, [False], [False, False], gated=True, tied=False, buckets=32)
    write_checkpoint(model, HERE / 't5' / 'checkpoint_7', lambda path, shape: None)
    write_safetensors(HERE / 't5.safetensors', model.tensors)
    write_logits(t5x_network(pathlib.Path(sys.argv[1])), model, 1, 2, HERE / 't5-logits.safetensors')


main()
