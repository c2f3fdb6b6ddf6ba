# SPDX-License-Identifier: Apache-2.0
"""Damaged shards: model.safetensors.index.json and the files it names."""
import json
import os

from faults.config import set_text
from faults.judge import Models
from faults.tensors import NAME, content_of_tensors, tensors_of, write

INDEX = NAME + '.index.json'
ONE, TWO = 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'
SHARED = 'shared.weight'


def split(directory, change=lambda shards, weight_map: None):
    """Splits the weights in a directory into two shards and changes them."""
    tensors = tensors_of(os.path.join(directory, NAME))
    os.remove(os.path.join(directory, NAME))
    names = sorted(tensors)
    half = len(names) // 2
    shards = {ONE: {name: tensors[name] for name in names[:half]},
              TWO: {name: tensors[name] for name in names[half:]}}
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    change(shards, weight_map)
    for shard, held in shards.items():
        write(os.path.join(directory, shard), content_of_tensors(held))
    with open(os.path.join(directory, INDEX), 'w') as file:
        json.dump({'metadata': {'total_size': 1}, 'weight_map': weight_map}, file)


def changed(change):
    return lambda directory: split(directory, change)


def then(spoil):
    """Splits the weights correctly, then damages the directory."""
    def both(directory):
        split(directory)
        spoil(directory)
    return both


def cut(directory):
    path = os.path.join(directory, TWO)
    os.truncate(path, os.path.getsize(path) - 1)


def swap(directory):
    one, two = os.path.join(directory, ONE), os.path.join(directory, TWO)
    os.rename(one, one + '.x')
    os.rename(two, one)
    os.rename(one + '.x', two)


def check(models):
    models.same('two shards', split)
    models.same('names with slashes', changed(lambda shards, weight_map: [
        weight_map.update({name.replace('.', '/'): weight_map.pop(name)}) for name in list(weight_map)]))
    for text, word in [('', ':1:1: '), ('[]', 'array'), ('{}', 'weight_map'),
                       ('{"weight_map": []}', 'weight_map'), ('[' * 100_000, 'nested'),
                       ('{"weight_map": {}}', SHARED)]:
        models.refused('index ' + text[:20], 3, [INDEX, word], then(set_text(INDEX, text)))
    # A readable file of that name outside the directory.
    write('outside.safetensors', content_of_tensors({}))
    for name in ['../outside.safetensors', os.path.abspath('outside.safetensors'), '', '.', '..',
                 'a\0.safetensors', 'a' * 100_000, INDEX, 'sub/' + ONE, '.hidden.safetensors', None, 5,
                 '\x1b[31m.bin']:
        models.refused(f'shard {str(name)[:40]!r}', 3, [INDEX, SHARED, 'shard'],
                       changed(lambda shards, weight_map: weight_map.update({SHARED: name})))
    models.refused('100,000 shards', 3, [INDEX, 'more than'], changed(
        lambda shards, weight_map: weight_map.update(
            {str(i): f'{i}.safetensors' for i in range(100_000)})))
    models.refused('no second shard', 1, [TWO, 'cannot open'],
                   then(lambda directory: os.remove(os.path.join(directory, TWO))))
    models.refused('second shard cut', 3, [TWO], then(cut))
    models.refused('shards swapped', 3, ['in this shard, but the index says'], then(swap))
    models.refused('tensor elsewhere', 3, [TWO, SHARED, 'in this shard, but the index says', ONE],
                   changed(lambda shards, weight_map: weight_map.update({SHARED: ONE})))
    models.refused('tensor in both', 3, [ONE, SHARED, 'in this shard, but the index says'],
                   changed(lambda shards, weight_map: shards[ONE].update({SHARED: shards[TWO][SHARED]})))
    models.refused('tensor not in the index', 3, [TWO, SHARED, 'not in the index'],
                   changed(lambda shards, weight_map: weight_map.pop(SHARED)))
    models.refused('tensor in the index alone', 3, [ONE, 'no tensor ghost'],
                   changed(lambda shards, weight_map: weight_map.update(ghost=ONE)))
    models.refused('a shard is a pipe', 1, [TWO, 'named pipe'], then(
        lambda directory: (os.remove(os.path.join(directory, TWO)),
                        os.mkfifo(os.path.join(directory, TWO)))))

    def keep_single(directory):
        single = tensors_of(os.path.join(directory, NAME))
        split(directory, lambda shards, weight_map: weight_map.clear())
        write(os.path.join(directory, NAME), content_of_tensors(single))
    models.same('a single file next to an index', keep_single, ['the index is not read'])


def run(judge):
    check(Models(judge))
