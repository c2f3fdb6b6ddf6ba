# SPDX-License-Identifier: Apache-2.0
"""The safetensors format, as far as spoiling it needs: a header (a dict) and the data."""
import json
import os
import struct

NAME = 'model.safetensors'


def read(path):
    with open(path, 'rb') as file:
        content = file.read()
    size = struct.unpack('<Q', content[:8])[0]
    return json.loads(content[8:8 + size]), content[8 + size:]


def content_of(header, data):
    """header: a dict, or the text as it shall be."""
    text = json.dumps(header) if isinstance(header, dict) else header
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack('<Q', len(text)) + text + data


def content_of_tensors(tensors):
    """tensors: {name: (dtype, shape, bytes)}, laid out in this order."""
    header, data = {}, b''
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape,
                        'data_offsets': [len(data), len(data) + len(values)]}
        data += values
    return content_of(header, data)


def tensors_of(path):
    """What content_of_tensors takes."""
    header, data = read(path)
    header.pop('__metadata__', None)
    return {name: (entry['dtype'], entry['shape'], data[slice(*entry['data_offsets'])])
            for name, entry in header.items()}


def write(path, content):
    with open(path, 'wb') as file:
        file.write(content)


def change_header(change):
    """A spoiler of a model's folder: change(header) edits the dict, or returns a text instead."""
    def spoil(folder):
        path = os.path.join(folder, NAME)
        header, data = read(path)
        text = change(header)
        write(path, content_of(header if text is None else text, data))
    return spoil


def change_tensors(change):
    def spoil(folder):
        path = os.path.join(folder, NAME)
        tensors = tensors_of(path)
        write(path, content_of_tensors(change(tensors) or tensors))
    return spoil


def change_content(change):
    def spoil(folder):
        path = os.path.join(folder, NAME)
        with open(path, 'rb') as file:
            content = file.read()
        write(path, change(content))
    return spoil
