# SPDX-License-Identifier: Apache-2.0
"""Bad model.safetensors: damaged files, hostile headers, tensors that do not fit the model."""
import json
import os
import random
import struct

from faults.judge import Models
from faults.tensors import (NAME, change_content, change_header, change_tensors, content_of, read)

SHARED = 'shared.weight'
NORM = 'decoder.final_layer_norm.weight'
ROUTER = 'encoder.block.1.layer.1.mlp.router.classifier.weight'


def damaged_files(models):
    size = os.path.getsize(os.path.join('good', NAME))
    header_end = 8 + struct.unpack('<Q', open(os.path.join('good', NAME), 'rb').read(8))[0]
    for length in [0, 1, 7, 8, 9, header_end - 1, header_end, header_end + 1, size // 2, size - 1]:
        models.refused(f'cut after {length} bytes', 3, [NAME + ': '],
                       change_content(lambda content: content[:length]))
    models.refused('a byte too many', 3, [NAME, f'{size - header_end + 1} bytes of data, expected'],
                   change_content(lambda content: content + b'\0'))
    for length in [0, 1, header_end - 9, header_end - 7, 100_000_001, 2**31, 2**63, 2**64 - 8,
                   2**64 - 1]:
        models.refused(f'a header of {length} bytes', 3, [NAME + ': '],
                       change_content(lambda content: struct.pack('<Q', length) + content[8:]))
    for case, content, word in [('LFS pointer', b'version https://git-lfs.github.com/spec/v1\n', 'LFS'),
                                ('HTML', b'<!DOCTYPE html>', 'HTML'),
                                ('zip', b'PK\3\4' + bytes(100), 'zip'),
                                ('zeros', bytes(100_000), NAME),
                                ('gzip', b'\x1f\x8b' + bytes(100), 'gzip')]:
        models.refused(case, 3, [NAME, word], change_content(lambda _: content))


def no_files(models):
    def replaced(by):
        def spoil(directory):
            path = os.path.join(directory, NAME)
            os.remove(path)
            by(path)
        return spoil
    models.refused('missing', 3, ['spoiled', 'no ' + NAME], replaced(lambda path: None))
    for case, by, word in [('named pipe', os.mkfifo, 'named pipe'),
                           ('directory', os.mkdir, 'a directory'),
                           ('device', lambda path: os.symlink('/dev/zero', path), 'a device'),
                           ('dangling link', lambda path: os.symlink('nowhere', path), 'No such file'),
                           ('looping link', lambda path: os.symlink(NAME, path), 'symbolic links')]:
        models.refused(case, 1, ['spoiled', word], replaced(by))
    models.same('link', replaced(lambda path: os.symlink('../good/' + NAME, path)))


def set_entry(name, **members):
    return change_header(lambda header: header[name].update(members))


def hostile_headers(models):
    header, data = read(os.path.join('good', NAME))
    begin, end = header[SHARED]['data_offsets']
    rows, columns = header[SHARED]['shape']
    text = json.dumps(header)
    for case, members, word in [
            ('hole', {'data_offsets': [begin + 4, end + 4]}, ''),
            ('swapped', {'data_offsets': [end, begin]}, 'data_offsets'),
            ('past the end', {'data_offsets': [begin, len(data) + 4]}, 'data_offsets'),
            ('wrapped', {'data_offsets': [2**64 - 4, end]}, 'data_offsets'),
            ('beyond 64 bits', {'data_offsets': [0, 2**64]}, 'data_offsets'),
            ('one offset', {'data_offsets': [end]}, '1 data_offsets'),
            ('three offsets', {'data_offsets': [begin, end, end]}, 'more than 2'),
            ('offsets as strings', {'data_offsets': [str(begin), str(end)]}, 'data_offsets'),
            ('offsets as floats', {'data_offsets': [float(begin), float(end)]}, 'data_offsets'),
            ('negative', {'shape': [-1, columns]}, 'shape: -1'),
            ('negative twice', {'shape': [-rows, -columns]}, f'shape: -{rows}'),
            ('2^32 x 2^32', {'shape': [2**32, 2**32]}, 'beyond 64 bits'),
            ('product wraps', {'shape': [2**32, 2**32, rows, columns]}, 'beyond 64 bits'),
            ('bytes wrap', {'shape': [rows, 2**62 + columns]}, 'beyond 64 bits'),
            ('rank 1000', {'shape': [1] * 1000}, 'more than 8 dimensions'),
            ('another shape', {'shape': [columns, rows]}, f'expected [{rows}, {columns}]'),
            ('one dimension', {'shape': [rows * columns]}, f'expected [{rows}, {columns}]'),
            ('unknown dtype', {'dtype': 'F31'}, 'unknown dtype'),
            ('integers', {'dtype': 'I32'}, 'expected F32, BF16 or F16'),
            ('more members', {'more': 1}, 'unknown member')]:
        words = [NAME, word] + ([] if case == 'hole' else [SHARED])
        models.refused(case, 3, words, set_entry(SHARED, **members))
    for member in ('dtype', 'shape', 'data_offsets'):
        models.refused('no ' + member, 3, [NAME, SHARED, 'no ' + member],
                       change_header(lambda header: header[SHARED].pop(member) and None))
    entry = json.dumps(header[SHARED])
    for case, header_text, word in [
            ('tensor twice', '{"shared.weight": ' + entry + ', ' + text[1:], 'twice'),
            ('member twice', text.replace('"dtype": "F32"', '"dtype": "F32", "dtype": "F32"', 1), 'twice'),
            ('not UTF-8', text.encode().replace(b'shared', b'\xff\xfe'), 'JSON'),
            ('byte order mark', '\ufeff' + text, "'{'"),
            ('array', '[' + text + ']', "'{'"),
            ('comment', text.replace('{', '{ // x\n', 1), 'JSON'),
            ('NUL padding', text + '\0\0', 'NUL'),
            ('nested', '{"a": ' + '[' * 1_000_000, 'an array'),
            ('nested objects', '{"a": ' * 1_000_000, 'tensor a'),
            ('escape codes', '{"\\u001b[31m\\n\\u009b": {}, ' + text[1:],
             'tensor \\x1B[31m\\x0A\\xC2\\x9B: no dtype')]:
        models.refused(case, 3, [NAME, word], change_header(lambda _: header_text))
    models.refused('100,000 tensors on one range', 3, [NAME, 'where the previous one ends'],
                   change_header(lambda header: header.update(
                       {f't{i}': header[SHARED] for i in range(100_000)})))


def wrong_tensors(models):
    models.refused('no router', 3, ['1 tensor is missing', ROUTER],
                   change_tensors(lambda tensors: tensors.pop(ROUTER) and None))
    models.refused('no norm', 3, ['1 tensor is missing', NORM],
                   change_tensors(lambda tensors: tensors.pop(NORM) and None))
    models.refused('no embedding', 3, [SHARED],
                   change_tensors(lambda tensors: tensors.pop(SHARED) and None))
    models.refused('no expert', 3, ['2 tensors are missing', 'expert_1'], change_tensors(
        lambda tensors: {name: t for name, t in tensors.items()
                         if 'encoder.block.1.layer.1.mlp.experts.expert_1.' not in name}))
    models.refused('no tensor at all', 3, [NAME], change_tensors(lambda _: {'x': ('F32', [0], b'')}))
    models.same('more tensors', change_tensors(
        lambda tensors: tensors.update({'more\x1b.weight': ('F32', [1], bytes(4))})),
        ['1 tensor is not used', 'more\\x1B.weight'])
    for value in (float('nan'), float('inf'), float('-inf')):
        def spoil_value(tensors):
            dtype, shape, values = tensors[NORM]
            tensors[NORM] = dtype, shape, values[:8] + struct.pack('<f', value) + values[12:]
        models.refused(f'{value} in the weights', 3, [NAME, NORM, 'at element 2', 'expected finite'],
                       change_tensors(spoil_value))
    # If it is loaded nevertheless, its results show it.
    directory = models.spoiled(change_tensors(spoil_value))
    models.judge.refused('--allow-nonfinite', 3, ['logits are not finite'],
                         models.command(directory) + ['--allow-nonfinite'], stdin=b'ab\n')

    def huge(tensors):
        """All weights are finite, but the results are not."""
        dtype, shape, values = tensors[NORM]
        tensors[NORM] = dtype, shape, struct.pack('<f', 3e38) * (len(values) // 4)
    models.refused('weights of 3e38', 3, ['not finite'], change_tensors(huge))


def other_forms(models):
    """Files that look different but hold the same tensors."""
    models.same('padded header', change_header(lambda header: json.dumps(header) + ' ' * 1000))
    models.same('pretty-printed header', change_header(lambda header: json.dumps(header, indent=4) + '\n'))
    models.same('escaped names', change_header(
        lambda header: json.dumps(header).replace('shared.weight', '\\u0073hared\\u002eweight')))
    models.same('reordered', change_tensors(
        lambda tensors: dict(random.Random(1).sample(sorted(tensors.items()), len(tensors)))))
    for dtype in ('BF16', 'F16'):
        def halved(tensors):
            for name, (_, shape, values) in tensors.items():
                floats = struct.unpack(f'<{len(values) // 4}f', values)
                half = (struct.pack(f'<{len(floats)}e', *floats) if dtype == 'F16' else
                        b''.join(values[4 * i + 2:4 * i + 4] for i in range(len(floats))))
                tensors[name] = dtype, shape, half
        out = models.judge.works(dtype, models.command(models.spoiled(change_tensors(halved))),
                                 stdin=models.TEXT)
        models.judge.check(dtype, out.count(b'\n') == 3, f'other lines: {out}')


def flipped_bits(models):
    """Every bit flip in the header is detected."""
    rng = random.Random(7)
    with open(os.path.join('good', NAME), 'rb') as file:
        good = file.read()
    header_end = 8 + struct.unpack('<Q', good[:8])[0]
    for _ in range(40):
        bit = rng.randrange(8 * header_end)
        def flip(content):
            content = bytearray(content)
            content[bit // 8] ^= 1 << bit % 8
            return bytes(content)
        models.refused(f'bit {bit} flipped', 3, [NAME], change_content(flip))


def run(judge):
    models = Models(judge)
    damaged_files(models)
    no_files(models)
    hostile_headers(models)
    wrong_tensors(models)
    other_forms(models)
    flipped_bits(models)
