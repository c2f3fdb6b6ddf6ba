# SPDX-License-Identifier: Apache-2.0
"""Writes pytorch_model.bin as torch.save does, from tensors as faults.tensors has them, to damage it."""
import os
import struct
import zipfile

from faults.tensors import NAME, tensors_of

BIN = 'pytorch_model.bin'
INDEX = BIN + '.index.json'
STORAGE = {'F32': ('FloatStorage', 4), 'F16': ('HalfStorage', 2), 'BF16': ('BFloat16Storage', 2)}


def text(value):
    return b'X' + struct.pack('<I', len(value.encode())) + value.encode()


def number(value):
    return b'J' + struct.pack('<i', value)


def name_of(module, name):
    return f'c{module}\n{name}\n'.encode()


def numbers(values):
    return b'(' + b''.join(number(value) for value in values) + b't'


def pickled(key, dtype, shape, elements):
    strides, step = [], 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= extent
    storage = (b'(' + text('storage') + name_of('torch', STORAGE[dtype][0]) + text(key) + text('cpu') +
               number(elements) + b'tQ')
    hooks = name_of('collections', 'OrderedDict') + b')R'
    return (name_of('torch._utils', '_rebuild_tensor_v2') + b'(' + storage + number(0) + numbers(shape) +
            numbers(strides) + b'\x89' + hooks + b'tR')


def files_of(tensors):
    """Returns {path: content} of the archive. tensors: {name: (dtype, shape, bytes)}."""
    files = {'m/data.pkl': b'', 'm/byteorder': b'little', 'm/version': b'3\n'}
    entries = b''
    for i, (name, (dtype, shape, values)) in enumerate(tensors.items()):
        entries += text(name) + pickled(str(i), dtype, shape, len(values) // STORAGE[dtype][1])
        files[f'm/data/{i}'] = values
    files['m/data.pkl'] = b'\x80\2}(' + entries + b'u.'
    return files


def write_archive(path, files, compression=zipfile.ZIP_STORED, zip64=False):
    """files: {path: content}, or a list of such pairs if a path is there twice."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            # With a fixed time, so that the same files give the same archive.
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            with archive.open(info, 'w', force_zip64=zip64) as entry:
                entry.write(content)


def take_tensors(directory):
    path = os.path.join(directory, NAME)
    tensors = tensors_of(path)
    os.remove(path)
    return tensors


def as_pytorch(change=lambda files: None, **how):
    """Returns a function that turns a model's weights into pytorch_model.bin, changed by `change`,
    which edits {path: content} or returns another."""
    def spoil(directory):
        files = files_of(take_tensors(directory))
        write_archive(os.path.join(directory, BIN), change(files) or files, **how)
    return spoil


def change_bytes(change):
    def spoil(directory):
        as_pytorch()(directory)
        path = os.path.join(directory, BIN)
        with open(path, 'rb') as file:
            content = file.read()
        with open(path, 'wb') as file:
            file.write(change(content))
    return spoil
