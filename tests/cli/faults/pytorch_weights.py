# SPDX-License-Identifier: Apache-2.0
"""Bad pytorch_model.bin: damaged archives, pickles that are not a state dict, missing shards."""
import json
import os
import warnings
import zipfile

from faults.judge import Models
from faults.pytorch import (BIN, INDEX, as_pytorch, change_bytes, files_of, name_of, pickled,
                            take_tensors, text, write_archive)

PICKLE = 'm/data.pkl'
OLD = b'\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.'


def with_file(name, content):
    return as_pytorch(lambda files: files.update({name: content}))


def with_pickle(content):
    return with_file(PICKLE, content)


def replaced(old, new):
    return as_pytorch(lambda files: files.update({PICKLE: files[PICKLE].replace(old, new)}))


def archives(models):
    for case, cut in [('nothing', lambda n: 0), ('3 bytes', lambda n: 3), ('half', lambda n: n // 2),
                      ('all but one byte', lambda n: n - 1), ('all but 22 bytes', lambda n: n - 22)]:
        models.refused(f'{BIN}: {case} is left', 3, [BIN + ': '],
                       change_bytes(lambda content: content[:cut(len(content))]))
    for case, content, word in [('not a zip', b'x' * 100, 'not a zip archive'), ('old format', OLD, 'save_pretrained(DIR)'),
                                ('LFS pointer', b'version https://git-lfs.github.com/spec/v1\n', 'LFS'),
                                ('a pickle alone', b'\x80\2}.', 'not a zip archive')]:
        models.refused(f'{BIN}: {case}', 3, [BIN, word], change_bytes(lambda _: content))
    models.refused('compressed', 3, [BIN, 'is compressed'],
                   as_pytorch(compression=zipfile.ZIP_DEFLATED))
    models.refused('no pickle', 3, [BIN, 'no data.pkl'], as_pytorch(lambda files: files.pop(PICKLE) and None))
    models.refused('big-endian', 3, [BIN, 'byteorder: big'], with_file('m/byteorder', b'big'))
    models.refused('TorchScript', 3, [BIN, 'TorchScript'], with_file('m/constants.pkl', b''))
    for name in ('m/../x', '/m/x', 'm//x', 'm/./x', 'x', 'm\\x'):
        models.refused(f'entry {name}', 3, [BIN, 'expected a path'], with_file(name, b''))
    models.refused('another directory', 3, [BIN, 'entry n/x'], with_file('n/x', b''))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of zipfile, about the duplicate
        models.refused('entry twice', 3, [BIN], as_pytorch(
            lambda files: list(files.items()) + [(PICKLE, files[PICKLE])]))
    # Bit 0 of the flags, in the directory of the archive: encrypted.
    def encrypted(content):
        at = content.index(b'PK\1\2') + 8
        return content[:at] + b'\1' + content[at + 1:]
    models.refused('encrypted', 3, [BIN], change_bytes(encrypted))


def pickles(models):
    for case, content, word in [
            ('empty', b'', 'data.pkl'), ('protocol 4', b'\x80\4}.', 'pickle protocol 4, expected 2'),
            ('a function', b'\x80\2' + name_of('builtins', 'len') + b'.', 'builtins.len'),
            ('a wrapper', b'\x80\2}' + text('state_dict') + b'}s.', 'state_dict: a dict, expected a tensor'),
            ('a list', b'\x80\2].', 'a list, expected a dict'),
            ('no end', b'\x80\2}', 'data.pkl'), ('an opcode', b'\x80\2I1\n.', 'opcode 73'),
            ('long text', b'\x80\2X\xff\xff\xff\xffab.', '4294967295 bytes'),
            ('many values', b'\x80\2' + b'N' * 3_000_000 + b'.', 'more than 2097152 values'),
            ('many lists', b'\x80\2' + b']' * 3_000_000 + b'.', 'more than 2097152 values'),
            ('escape codes', b'\x80\2' + name_of('\x1b[31m', 'x') + b'.', '\\x1B[31m.x')]:
        models.refused(f'pickle: {case}', 3, [BIN, word], with_pickle(content))
    models.refused('integers', 3, [BIN, 'expected F32, BF16 or F16'],
                   replaced(b'FloatStorage', b'IntStorage'))
    models.refused('unknown storage', 3, [BIN, 'torch.QInt8Storage'],
                   replaced(b'FloatStorage', b'QInt8Storage'))


def storages(models):
    models.refused('storage too short', 3, [BIN, 'data/0: ', 'expected'],
                   as_pytorch(lambda files: files.update({'m/data/0': files['m/data/0'][:-4]})))
    models.refused('storage too long', 3, [BIN, 'data/0: ', 'expected'],
                   as_pytorch(lambda files: files.update({'m/data/0': files['m/data/0'] + bytes(4)})))
    models.refused('no storage', 3, [BIN, 'no data/0'],
                   as_pytorch(lambda files: files.pop('m/data/0') and None))
    models.refused('tensor larger than its storage', 3, [BIN, 'w: shape [3]', 'has 2 elements'],
                   with_pickle(b'\x80\2}' + text('w') + pickled('0', 'F32', [3], 2) + b's.'))
    models.refused('shape beyond 64 bits', 3, [BIN, 'beyond 64 bits'], with_pickle(
        b'\x80\2}' + text('w') + pickled('0', 'F32', [1], 2).replace(
            b'(J\1\0\0\0t', b'(' + b'J\xff\xff\xff\x7f' * 3 + b't') + b's.'))


def shards(models):
    def split(directory, change=lambda held, weight_map: None):
        tensors = take_tensors(directory)
        names = sorted(tensors)
        held = {f'pytorch_model-0000{i + 1}-of-00002.bin': names[i::2] for i in range(2)}
        weight_map = {name.replace('.', '/'): shard for shard, part in held.items() for name in part}
        change(held, weight_map)
        for shard, part in held.items():
            write_archive(os.path.join(directory, shard), files_of({name: tensors[name] for name in part}))
        with open(os.path.join(directory, INDEX), 'w') as file:
            json.dump({'weight_map': weight_map}, file)

    models.same('two shards of PyTorch', split)
    first, second = (f'pytorch_model-0000{i}-of-00002.bin' for i in (1, 2))
    models.refused('no second shard', 1, [second, 'cannot open'],
                   lambda directory: split(directory, lambda held, _: held.pop(second)))
    models.refused('a tensor is not in its shard', 3, [first, 'no tensor'],
                   lambda directory: split(directory, lambda held, _: held[first].pop()))
    for name in ('../x.bin', 'model.safetensors', '/x.bin'):
        models.refused(f'shard {name}', 3, [INDEX, 'expected the name of a .bin file'], lambda directory: split(
            directory, lambda _, weight_map: weight_map.update({'shared/weight': name})))


def run(judge):
    models = Models(judge)
    models.same('the good model as ' + BIN, as_pytorch())
    models.same('with zip64 headers', as_pytorch(zip64=True))
    archives(models)
    pickles(models)
    storages(models)
    shards(models)
