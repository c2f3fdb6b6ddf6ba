# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz targets safetensors, pytorch, msgpack, zarr, gin, tokenizer and
tokenizer_json into tests/fuzz/seeds.
usage: make_seeds.py"""
import base64
import gzip
import io
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from faults.pytorch import files_of, name_of, pickled, text, write_archive
from faults.tensors import content_of, content_of_tensors
from faults.tokenizer_json import SMALL as SMALL_JSON, changed
from faults.vocabulary import (BYTE, BYTES_MISSING, LEAF, NORMALIZER, OFFSET_1, SMALL, TRAINER, USER_DEFINED, charsmap, field,
                               nested_symbols, piece, trie)

ENTRY = {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}
WHOLE = content_of_tensors({'shared.weight': ('F32', [2, 2], struct.pack('<4f', 1, 2, 3, 4)),
                            'half': ('F16', [2], b'\0\x3c\0\xc0'), 'brain': ('BF16', [1, 2], b'\x80\x3f\0\xc0'),
                            'scalar': ('I64', [], bytes(8)), 'none': ('BOOL', [0, 3], b'')})
# One rule: 'A' becomes 'a'. The root's children are at 1 ^ byte; the child for 'A' ends in a leaf.
RULES = trie(OFFSET_1, 512, _64=(256 ^ 64) << 10 | LEAF | 65, _256=1 << 31)

TWO = files_of({'a': ('F32', [1, 2], bytes(8)), 'b': ('BF16', [2], bytes(4))})


def archive(files):
    content = io.BytesIO()
    write_archive(content, files)
    return content.getvalue()


# Flax's file {"version": 3, "optimizer": {"target": {"a": [1.0, 2.0], "b": scalar, "c": zarr array}}}.
FLAX_ARRAY = b'\x93\x91\x02\xa7float32\xc4\x08' + struct.pack('<2f', 1, 2)
FLAX_SCALAR = b'\x93\x90\xa5int32\xc4\x04' + bytes(4)
FLAX_SPEC = (b'\x83\xa6driver\xa4zarr\xa7kvstore\x82\xa6driver\xa4file\xa4path\xa9target.c/'
             b'\xa8metadata\x81\xa5shape\x92\x02\x03')
FLAX = (b'\x82\xa7version\x03\xa9optimizer\x81\xa6target\x83\xa1a\xc7' + bytes([len(FLAX_ARRAY), 1]) + FLAX_ARRAY +
        b'\xa1b\xc7' + bytes([len(FLAX_SCALAR), 3]) + FLAX_SCALAR + b'\xa1c' + FLAX_SPEC)

ZARR = {'chunks': [1, 2], 'compressor': {'id': 'gzip', 'level': 1}, 'dimension_separator': '.', 'dtype': '<f4',
        'fill_value': None, 'filters': None, 'order': 'C', 'shape': [1, 2], 'zarr_format': 2}


def zarr(chunk, **changes):
    return json.dumps({**ZARR, **changes}).encode() + b'\0' + chunk


def gzipped(content):
    return gzip.compress(content, mtime=0)


SEEDS = {
    'msgpack': {
        'whole': FLAX,
        'cut': FLAX[:-1],
        'deep': b'\x91' * 100000,
        'long_map': b'\xdf\xff\xff\xff\xff\xa1a\xc0',
        'long_text': b'\x81\xa1a\xdb\xff\xff\xff\xffabc',
        'long_array': b'\x81\xa1a\xc9\xff\xff\xff\xff\x01abc',
        'twice': b'\x82\xa1a\xc0\xa1a\xc0',
        'payload': b'\x81\xa1a\xc7\x03\x01\x93\x91\x02',
        'split': b'\x81\xa1a\x81\xb9__msgpack_chunked_array__\xc3',
    },
    'zarr': {
        'gzip': zarr(gzipped(bytes(8))),
        'plain': zarr(bytes(8), compressor=None),
        'bf16': zarr(gzipped(bytes(8)), dtype='bfloat16', shape=[1, 2, 2], chunks=[1, 2, 2]),
        'short': zarr(gzipped(bytes(4))),
        'bomb': zarr(gzipped(bytes(100000))),
        'cut': zarr(gzipped(bytes(8))[:-4]),
        'product': zarr(b'', shape=[2**40] * 3, chunks=[2**40] * 3),
        'zero': zarr(b'', chunks=[0, 2]),
    },
    'gin': {
        'config': b"include 'a.gin'\nA = 1\nB = %A\nx.C:\n  d = ('a', %B)  # e\n  f = \\\n    None\ns/x.C.d = @g()\n",
        'cycle': b'A = %B\nB = (%A,)\n',
        'growing': b''.join(b'A%d = (%%A%d, %%A%d, %%A%d)\n' % (i, i + 1, i + 1, i + 1) for i in range(30)),
        'nested': b'A = ' + b'(' * 5000 + b')' * 5000 + b'\n',
        'open': b"A = ('''\n",
    },
    'pytorch': {
        'archive': archive(TWO),
        'cut': archive(TWO)[:-9],
        'short': archive({**TWO, 'm/data/1': b''}),
        'pickle': TWO['m/data.pkl'],
        'function': b'\x80\2' + name_of('builtins', 'len') + b'.',
        'outside': b'\x80\2}' + text('w') + pickled('0', 'F32', [3], 2) + b's.',
        'attributes': b'\x80\2' + name_of('collections', 'OrderedDict') + b')Rq\0}' + text('x') + b'h\0sb.',
    },
    'safetensors': {
        'whole': WHOLE,
        'metadata': content_of({'__metadata__': {'format': 'pt'}, 'a': ENTRY}, bytes(4)),
        'escaped': content_of('{"\\u0061": {"dtype": "F\\u00332", "shape": [ 1 ], "data_offsets": [0, 4]}}  ', bytes(4)),
        'cut': WHOLE[:-3],
        'overlap': content_of({'a': ENTRY, 'b': ENTRY}, bytes(4)),
        'wrapped': content_of({'a': {**ENTRY, 'shape': [2**62 + 1], 'data_offsets': [2**64 - 4, 0]}}, bytes(4)),
        'long': struct.pack('<Q', 2**64 - 8) + b'{}',
    },
    'tokenizer': {
        'small': SMALL,
        'symbols': SMALL + nested_symbols(5) + piece('<x>', 0, USER_DEFINED),
        'bytes': SMALL + b''.join(piece(f'<0x{i:02X}>', 0, BYTE) for i in range(256)) + field(TRAINER, field(35, 1)),
        'settings': SMALL + field(TRAINER, field(3, 1) + field(40, 2)) + field(NORMALIZER, field(1, b'nmt_nfkc') + field(3, 1)),
        'charsmap': charsmap(trie(OFFSET_1), b'\0'),
        'rules': charsmap(RULES, b'a\0'),
        'nested': SMALL + nested_symbols(65) + BYTES_MISSING,
        'cut': SMALL[:-1],
    },
    'tokenizer_json': {
        'small': SMALL_JSON,
        'added': changed('added_tokens', [{'id': 6, 'content': '<x>', 'lstrip': True, 'rstrip': True}]),
        'rules': changed('normalizer', {'type': 'Precompiled', 'precompiled_charsmap': base64.b64encode(
            struct.pack('<I', 2048) + struct.pack('<512I', *RULES) + b'a\0').decode()}),
        'cut': SMALL_JSON[:-1],
    },
}

for target, seeds in SEEDS.items():
    os.makedirs(os.path.join(HERE, 'seeds', target), exist_ok=True)
    for name, content in seeds.items():
        with open(os.path.join(HERE, 'seeds', target, name), 'wb') as file:
            file.write(content)
