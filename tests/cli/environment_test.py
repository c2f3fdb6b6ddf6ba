# SPDX-License-Identifier: Apache-2.0
"""The tools under every cap on the instruction set and every limit on OpenMP's threads.
usage: environment_test.py BUSY MAKE_MODEL SWITCH_TRAIN SWITCH_TRANSLATE SWITCH_EVALUATE

Training, validation, translation and scores have the same values as on an unlimited machine. The
tools run as programs: whatever they call first must find the limit in force.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

from environments import CAPS, environment, limits

BUSY, MAKE_MODEL, TRAIN, TRANSLATE, EVALUATE = map(os.path.abspath, sys.argv[1:])
LIMITS = limits(BUSY)
sys.argv[1:] = []


def run(*args, changes=(), **more):
    done = subprocess.run(args, capture_output=True, text=True, env=environment(dict(changes)),
                          **more)
    if done.returncode != 0:
        raise AssertionError(f'{args}: exit {done.returncode}: {done.stderr}')
    return done


def train(model, compute_type, workers, changes):
    """Losses and gradient norms of the first two updates, and the validation loss after them."""
    done = run(TRAIN, '-t', 'a.src', 'a.tgt', '--valid-sets', 'v.src', 'v.tgt', '-m', model,
                '--overwrite', '--preset', 'tiny', '--num-layers', '1', '--num-decoder-layers', '1',
                '--after', '2u', '--disp-freq', '1u', '--lr-warmup', '0', '--learn-rate', '1e-3',
                '--threads', '2', '--workers', str(workers), '--compute-type', compute_type,
               changes=changes)
    values = []
    with open(os.path.join(model, 'metrics.jsonl')) as file:
        for record in map(json.loads, file):
            if record['event'] == 'train':
                values += [record['loss'], record['gnorm']]
            elif record['event'] == 'valid':
                values.append(record['ce-mean-words'])
    return values, done.stderr


class Environment(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        rng = random.Random(1)
        words = [a + b for a in 'bdfgkm' for b in 'aeiou']
        for name, pairs in (('a', 400), ('v', 30)):
            with open(name + '.src', 'w') as src, open(name + '.tgt', 'w') as tgt:
                for _ in range(pairs):
                    sentence = [rng.choice(words) for _ in range(rng.randint(2, 8))]
                    print(*sentence, file=src)
                    print(*sentence[::-1], file=tgt)
        subprocess.run([MAKE_MODEL, 'en-de'], check=True)
        native = subprocess.run([TRAIN, '--dump-config', '--compute-type', 'bfloat16'],
                                capture_output=True, check=False).returncode == 0
        cls.types = {'float32': 1e-4, **({'bfloat16': 2e-2} if native else {})}
        cls.expected = {(kind, workers): train('model', kind, workers, {})[0]
                        for kind in cls.types for workers in (1, 2)}

    def same(self, actual, expected, rtol):
        self.assertEqual(len(actual), len(expected))
        for a, e in zip(actual, expected):
            self.assertLess(abs(a - e), rtol * abs(e), f'{actual}, expected {expected}')

    def test_training_and_validation_under_caps(self):
        for cap in CAPS:
            with self.subTest(**cap):
                for workers in (1, 2):
                    # Below AVX512_CORE_BF16 `auto` is float32.
                    values, _ = train('capped', 'auto', workers, cap)
                    self.same(values, self.expected['float32', workers], self.types['float32'])

    def test_training_and_validation_with_fewer_threads(self):
        for limit in LIMITS:
            with self.subTest(**limit):
                for kind, workers in self.expected:
                    values, errors = train('limited', kind, workers, limit)
                    granted = workers if 'OMP_DYNAMIC' in limit else 1
                    self.same(values, self.expected[kind, granted], self.types[kind])
                    for name, value in limit.items():
                        if name.startswith('OMP') and name != 'OMP_DYNAMIC':
                            self.assertIn(f'OpenMP grants 1 thread instead of 2 ({name}={value})', errors)

    def test_translation(self):
        with open('v.src') as file:
            lines = file.read()

        def scored(changes, *more):
            out = run(TRANSLATE, '-m', 'en-de', '--scores', '--max-output-length', '8',
                       '--threads', '2', *more, input=lines, changes=changes).stdout
            return list(zip(*(line.rsplit(' ||| ', 1) for line in out.splitlines())))
        texts, scores = scored({})
        self.assertEqual(len(texts), 30)
        for changes in CAPS + LIMITS:
            with self.subTest(**changes):
                for more in (), ('--workers', '1'), ('--beam-size', '1'):
                    found = scored(changes, *more)
                    if more[:1] != ('--beam-size',):
                        self.assertEqual(found[0], texts)
                        self.same(list(map(float, found[1])), list(map(float, scores)), 1e-4)
                    self.assertEqual(found, scored(changes, *more))

    def test_bound_threads(self):
        """OpenMP binds the initial thread to one place, which must affect neither the number of
        threads nor where they run."""
        for changes in {'OMP_PROC_BIND': 'true'}, {'OMP_PLACES': 'cores'}:
            with self.subTest(**changes):
                seen = []
                for more in {}, changes:
                    command = [TRANSLATE, '-m', 'en-de', '--max-output-length', '8']
                    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE, text=True,
                                          env=environment(dict(more))) as tool:
                        print('ba', file=tool.stdin, flush=True)
                        tool.stdout.readline()
                        cpus = os.sched_getaffinity(tool.pid)
                        errors = tool.communicate()[1]
                    seen.append((re.search(r'workers \d+ x threads \d+', errors)[0], cpus))
                self.assertEqual(seen[1], seen[0])

    def test_scores(self):
        command = EVALUATE, 'v.src', '-i', 'v.tgt', '-m', 'bleu', 'chrf'
        expected = run(*command).stdout
        for changes in CAPS + LIMITS:
            with self.subTest(**changes):
                self.assertEqual(run(*command, changes=changes).stdout, expected)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        result = unittest.main(exit=False, verbosity=2).result
    sys.exit(not result.wasSuccessful())
