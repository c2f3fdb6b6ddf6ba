#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the built-in English-German corpus: generate.py DIRECTORY

Writes train.en/.de (60,000 pairs), valid.en/.de (500) and test.en/.de (1,000), always the same.
Some combinations of an adjective or a verb with a noun are held out: none of them occurs in train
or valid, and each line of test has at least one. README.md says more.
"""
import os
import sys
import zlib

from sentences import Sentences

SIZES = {'train': 60000, 'valid': 500, 'test': 1000}


def held_out(combination):
    """True for a fixed twelfth of all combinations, independently of the corpus."""
    return zlib.crc32(' '.join(combination).encode()) % 12 == 0


def corpus(seed=1):
    """{name: [(English, German)]}, no English line twice."""
    sentences, known = Sentences(seed), set()
    sets = {name: [] for name in SIZES}
    while any(len(sets[name]) < size for name, size in SIZES.items()):
        en, de, combinations = sentences.sentence()
        if any(map(held_out, combinations)):
            name = 'test'
        else:
            name = 'valid' if len(sets['valid']) < SIZES['valid'] else 'train'
        if en not in known and len(sets[name]) < SIZES[name]:
            known.add(en)
            sets[name].append((en, de))
    return sets


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name, pairs in corpus().items():
        for language, lines in zip(('en', 'de'), zip(*pairs)):
            with open(os.path.join(directory, f'{name}.{language}'), 'w', encoding='utf-8',
                      newline='\n') as file:
                file.writelines(line + '\n' for line in lines)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
