# SPDX-License-Identifier: Apache-2.0
"""switch-convert reads T5X checkpoints: a model written as one comes back the same.
usage: t5x_test.py MAKE_MODEL SWITCH_CONVERT
"""
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from faults.judge import CPU_SECONDS, MEMORY_BYTES, run
from faults.tensors import NAME, tensors_of

MAKE_MODEL, CONVERT = (os.path.abspath(path) for path in sys.argv[1:3])
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, 'model')
CHECKPOINT = os.path.join(FOLDER.name, 'checkpoint_100')
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ZARR_CHECKPOINT = os.path.join(TESTS, 'golden/t5x/switch/checkpoint_7')
SMALL_VOCABULARY = os.path.join(TESTS, 'fuzz/seeds/tokenizer_json/small')
VOCAB = os.path.join(MODEL, 'spiece.model')
GIN = os.path.join(FOLDER.name, 'config.gin')
NORMS = {'encoder': ['attention', 'mlp'], 'decoder': ['self_attention', 'cross_attention', 'mlp']}
HEADS = {'q': 'query', 'k': 'key', 'v': 'value', 'o': 'out'}


def transposed(shape, data):
    rows, columns = shape
    cells = [data[4 * i:4 * i + 4] for i in range(rows * columns)]
    return [columns, rows], b''.join(cells[r * columns + c] for c in range(columns) for r in range(rows))


def t5x_path(name):
    """T5X's path of a tensor that is not an expert's, and whether it is stored transposed."""
    if name == 'shared.weight':
        return 'token_embedder/embedding', False
    stack, rest = name.split('.', 1)
    if rest == 'final_layer_norm.weight':
        return f'{stack}/{stack}_norm/scale', False
    if 'relative_attention_bias' in rest:
        return f'{stack}/relpos_bias/rel_embedding', True
    layer, part, rest = re.fullmatch('block[.]([0-9]+)[.]layer[.]([0-9])[.](.*)[.]weight', rest).groups()
    path = f'{stack}/layers_{layer}'
    if rest == 'layer_norm':
        return f'{path}/pre_{NORMS[stack][int(part)]}_layer_norm/scale', False
    if rest == 'mlp.router.classifier':
        return f'{path}/mlp/router/router_weights/w/kernel', True
    module, matrix = rest.split('.')
    if module == 'mlp':
        return f'{path}/mlp/{matrix}/kernel', True
    attention = {'SelfAttention': 'attention' if stack == 'encoder' else 'self_attention',
                 'EncDecAttention': 'encoder_decoder_attention'}[module]
    return f'{path}/{attention}/{HEADS[matrix]}/kernel', True


def parameters_of(model):
    """{path: (shape, float32 bytes)}"""
    found, experts = {}, {}
    for name, (dtype, shape, data) in tensors_of(os.path.join(model, NAME)).items():
        assert dtype == 'F32', name
        expert = re.fullmatch('(.*)[.]block[.]([0-9]+)[.].*[.]expert_([0-9]+)[.](w.)[.]weight', name)
        if expert:
            stack, layer, number, matrix = expert.groups()
            path = f'{stack}/layers_{layer}/mlp/expert/{matrix}/kernel'
            experts.setdefault(path, {})[int(number)] = transposed(shape, data)
        else:
            path, turned = t5x_path(name)
            found[path] = transposed(shape, data) if turned else (shape, data)
    for path, parts in experts.items():
        found[path] = [len(parts), *parts[0][0]], b''.join(parts[e][1] for e in sorted(parts))
    return found


def msgpack(value):
    if isinstance(value, int):
        return struct.pack('>BI', 0xCE, value)
    if isinstance(value, str):
        return struct.pack('>BI', 0xDB, len(value)) + value.encode()
    if isinstance(value, bytes):
        return struct.pack('>BI', 0xC6, len(value)) + value
    if isinstance(value, list):
        return struct.pack('>BI', 0xDD, len(value)) + b''.join(map(msgpack, value))
    if isinstance(value, dict):
        return struct.pack('>BI', 0xDF, len(value)) + b''.join(msgpack(k) + msgpack(v) for k, v in value.items())
    shape, data = value  # an array: Flax's extension type 1
    content = msgpack([shape, 'float32', data])
    return struct.pack('>BIb', 0xC9, len(content), 1) + content


def write_checkpoint(parameters):
    target = {}
    for path, value in parameters.items():
        *folders, leaf = path.split('/')
        at = target
        for folder in folders:
            at = at.setdefault(folder, {})
        at[leaf] = value
    os.makedirs(CHECKPOINT)
    with open(os.path.join(CHECKPOINT, 'checkpoint'), 'wb') as file:
        file.write(msgpack({'version': 3, 'optimizer': {'target': target}}))


class T5X(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=FOLDER.name)
        self.out = os.path.join(self.folder.name, 'out')

    def tearDown(self):
        self.folder.cleanup()

    def convert(self, *args, model=CHECKPOINT, code=0, message=''):
        done = run([CONVERT, model, '-o', self.out, *args])
        self.assertEqual(done.code, code, done.err)
        self.assertIn(message, done.err)
        self.assertEqual(os.path.exists(self.out), code == 0)
        self.assertLess(done.cpu_seconds, CPU_SECONDS)
        self.assertLess(done.memory_bytes, MEMORY_BYTES)

    def test_the_same_tensors(self):
        config = os.path.join(MODEL, 'config.json')
        for settings in (['--config-file', config], ['--gin-file', GIN], ['--gin-file', GIN, '--num-experts', '4']):
            self.convert(*settings, '--vocab', VOCAB, '--verify', message='all identical')
            self.assertEqual(tensors_of(os.path.join(self.out, NAME)), tensors_of(os.path.join(MODEL, NAME)))
            with open(VOCAB, 'rb') as expected, open(os.path.join(self.out, 'spiece.model'), 'rb') as found:
                self.assertEqual(found.read(), expected.read())
            with open(config) as expected, open(os.path.join(self.out, 'config.json')) as found:
                expected, found = json.load(expected), json.load(found)
            for key in ('model_type', 'vocab_size', 'd_model', 'd_kv', 'd_ff', 'num_heads', 'num_layers',
                        'num_decoder_layers', 'num_experts', 'dense_act_fn', 'tie_word_embeddings'):
                self.assertEqual(found[key], expected[key], key)
            shutil.rmtree(self.out)

    def test_info(self):
        done = run([CONVERT, CHECKPOINT, '--info', '--gin-file', GIN])
        self.assertEqual(done.code, 0, done.err)
        self.assertIn('switch_transformers, 2 + 2 layers', done.out.decode())

    def test_what_is_missing(self):
        given = ['--gin-file', GIN, '--vocab', VOCAB]
        self.convert('--vocab', VOCAB, code=2, message='expected --gin-file or --config-file')
        self.convert('--gin-file', GIN, code=2, message='expected --vocab')
        self.convert(*given, '--config-file', GIN, code=2, message='both given, expected one')
        self.convert(*given, '--num-experts', '8', code=3, message='4 experts, expected 8 from --num-experts')
        self.convert('--gin-file', GIN, '--vocab', GIN, code=3, message='config.gin: ')
        self.convert('--gin-file', VOCAB, '--vocab', VOCAB, code=3, message='spiece.model')
        self.convert(*given, model=MODEL, code=2, message='it is for T5X checkpoints')
        done = run([CONVERT, CHECKPOINT, '--prepare'])
        self.assertEqual(done.code, 3, done.err)
        self.assertIn('convert a T5X checkpoint with switch-convert', done.err)

    def test_damage(self):
        path = os.path.join(self.folder.name, 'checkpoint_1')
        shutil.copytree(CHECKPOINT, path)
        with open(os.path.join(path, 'checkpoint'), 'r+b') as file:
            file.truncate(file.seek(0, os.SEEK_END) - 9)
        self.convert('--gin-file', GIN, '--vocab', VOCAB, model=path, code=3, message='checkpoint_1/checkpoint: ')

    def test_sizes_that_a_file_only_claims(self):
        path = os.path.join(self.folder.name, 'checkpoint_2')
        os.mkdir(path)
        for content in (b'\x81\xa1a' * 100_000, b'\xdb\xff\xff\xff\xff', b'\xdd\xff\xff\xff\xff\x00',
                        b'\x81\xa6target\xdf\xff\xff\xff\xff', b'\x81\xa6target\xc9\xff\xff\xff\xff\x01'):
            with open(os.path.join(path, 'checkpoint'), 'wb') as file:
                file.write(content)
            self.convert('--gin-file', GIN, '--vocab', VOCAB, model=path, code=3, message='checkpoint_2/checkpoint: ')

    def test_a_chunk_that_inflates_to_more_than_it_should(self):
        path = os.path.join(self.folder.name, 'checkpoint_3')
        shutil.copytree(ZARR_CHECKPOINT, path)
        chunk = 'target.encoder.layers_0.mlp.wi.kernel/0.0'
        # In pieces: the memory that this process has held counts as that of the programs it starts.
        with gzip.open(os.path.join(path, chunk), 'wb', compresslevel=1) as file:
            for _ in range(1 << 10):
                file.write(bytes(1 << 20))
        vocab = os.path.join(self.folder.name, 'tokenizer.json')
        shutil.copy(SMALL_VOCABULARY, vocab)
        self.convert('--gin-file', GIN, '--vocab', vocab, model=path, code=3, message=f'{chunk}: ')


subprocess.run([MAKE_MODEL, MODEL], check=True)
write_checkpoint(parameters_of(MODEL))
with open(GIN, 'w') as file:
    file.write("NUM_EXPERTS = 4\ndense.MlpBlock.activations = ('relu',)\n")
unittest.main(argv=sys.argv[:1])
