# SPDX-License-Identifier: Apache-2.0
"""Lines of random words, some of them empty, for the model of make_model."""


def words(rng):
    return ' '.join(''.join(rng.choice('abcdefghij') for _ in range(rng.randint(1, 6)))
                    for _ in range(rng.randint(0, 9)))


def write_lines(path, rng):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(''.join(words(rng) + '\n' for _ in range(200)))


def read_lines(path):
    with open(path, encoding='utf-8') as file:
        return file.read().split('\n')[:-1]
