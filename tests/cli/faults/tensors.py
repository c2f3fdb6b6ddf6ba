# SPDX-License-Identifier: Apache-2.0
"""Reads and writes safetensors files as a header (a dict) and data, to damage them."""
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
    """header: a dict, or the literal text."""
    text = json.dumps(header) if isinstance(header, dict) else header
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack('<Q', len(text)) + text + data


def content_of_tensors(tensors):
    """tensors: {name: (dtype, shape, bytes)}, stored in this order."""
    header, data = {}, b''
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape,
                        'data_offsets': [len(data), len(data) + len(values)]}
        data += values
    return content_of(header, data)


def tensors_of(path):
    """Returns the argument that content_of_tensors needs to write this file."""
    header, data = read(path)
    header.pop('__metadata__', None)
    return {name: (entry['dtype'], entry['shape'], data[slice(*entry['data_offsets'])])
            for name, entry in header.items()}


def write(path, content):
    with open(path, 'wb') as file:
        file.write(content)


def change_header(change):
    """Returns a function that damages a model: change(header) edits the dict or returns a text."""
    def spoil(directory):
        path = os.path.join(directory, NAME)
        header, data = read(path)
        text = change(header)
        write(path, content_of(header if text is None else text, data))
    return spoil


def change_tensors(change):
    def spoil(directory):
        path = os.path.join(directory, NAME)
        tensors = tensors_of(path)
        write(path, content_of_tensors(change(tensors) or tensors))
    return spoil


def change_content(change):
    def spoil(directory):
        path = os.path.join(directory, NAME)
        with open(path, 'rb') as file:
            content = file.read()
        write(path, change(content))
    return spoil
