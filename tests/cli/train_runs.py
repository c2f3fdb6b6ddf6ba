# SPDX-License-Identifier: Apache-2.0
"""Short runs of switch-train, the test's first argument, on a corpus of reversed sentences."""
import os
import random
import subprocess
import sys

TRAIN = os.path.abspath(sys.argv[1])


def make_corpus(pairs, name):
    rng = random.Random(1)
    words = [a + b for a in 'bdfgkm' for b in 'aeiou']
    with open(name + '.src', 'w') as src, open(name + '.tgt', 'w') as tgt:
        for _ in range(pairs):
            sentence = [rng.choice(words) for _ in range(rng.randint(2, 6))]
            print(*sentence, file=src)
            print(*sentence[::-1], file=tgt)


def command(model, *more):
    return [TRAIN, '--train-sets', 'a.src', 'a.tgt', '--model', model, '--preset', 'tiny',
            '--after', '60u', '--valid-freq', '20u', '--save-freq', '15u', '--disp-freq', '7u',
            '--disp-first', '0', '--threads', '1', '--dropout', '0.1', '--optimizer-delay', '2',
            '--mini-batch-words', '256', '--exponential-smoothing', '0.01', '--capacity-factor',
            '1.5', '--num-layers', '1', '--num-decoder-layers', '1', '--keep-last', '2', *more]


def run(*args, **environment):
    return subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, **environment})


def bytes_of(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


def with_options(args, **changes):
    """The command with other values of some options, names without the two dashes."""
    for name, value in changes.items():
        args = [*args]
        args[args.index('--' + name.replace('_', '-')) + 1] = value
    return args
