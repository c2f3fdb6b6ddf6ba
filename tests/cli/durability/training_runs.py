# SPDX-License-Identifier: Apache-2.0
"""Runs of switch-train that are killed, starved and interrupted from the outside.
usage of the programs that import this: SWITCH_TRAIN SWITCH_TRANSLATE FAULT_INJECTION.so [TEST...]

A run that is interrupted in any way and started again must end like an unbroken run: with the same
files, parameters, moments, trainer state and metrics, except for times. fault_injection.cpp
interrupts it at a given call to the file system.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import zlib

TRAIN, TRANSLATE, FAULTS = map(os.path.abspath, sys.argv[1:4])
MEASURED = {'time', 'words_per_s', 'rss_mb', 'seconds'}  # differs between equal runs
CHANGING = 'create,write,ftruncate,rename,mkdir,symlink,unlink,rmdir'
# In memory if possible: fsync is called just as often there, but takes no time.
DIRECTORY = tempfile.TemporaryDirectory(dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)
MODEL = os.path.join(DIRECTORY.name, 'model')


def make_corpus(name, pairs, seed, words):
    rng = random.Random(seed)
    with open(name + '.src', 'w') as src, open(name + '.tgt', 'w') as tgt:
        for _ in range(pairs):
            sentence = [rng.choice(words) for _ in range(rng.randint(2, 6))]
            print(*sentence, file=src)
            print(*sentence[::-1], file=tgt)


def command(*more, model=MODEL, data='a', vocab=True):
    """A run of a few milliseconds. Options in `more` override those here."""
    options = {'--train-sets': [data + '.src', data + '.tgt'], '--valid-sets': ['v.src', 'v.tgt'],
               '--preset': ['tiny'], '--vocab-size': ['40'], '--d-model': ['16'], '--d-ff': ['16'],
               '--d-kv': ['8'], '--num-heads': ['2'], '--num-layers': ['1'],
               '--num-decoder-layers': ['1'], '--num-sparse-encoder-layers': ['1'],
               '--num-sparse-decoder-layers': ['0'], '--num-experts': ['2'], '--threads': ['1'],
               '--valid-metrics': ['ce-mean-words'], '--mini-batch-words': ['64'],
               '--after': ['3u'], '--save-freq': ['1u'], '--valid-freq': ['2u'],
               '--keep-last': ['1'], '--disp-freq': ['1u'], '--exponential-smoothing': ['0.01']}
    if vocab:
        options['--vocab'] = ['vocab.model']
    last = None
    for word in more:
        if word.startswith('--'):
            last = options[word] = []
        else:
            last.append(word)
    return [TRAIN, '--model', model] + [w for o, v in options.items() for w in [o, *v]]


def environment(fault):
    """`fault` is for fault_injection: fault='kill', at=3, calls='write'."""
    env = dict(os.environ, OMP_NUM_THREADS='1')
    if fault:
        env.update({'LD_PRELOAD': FAULTS, 'FAULT_DIRECTORY': MODEL,
                    'ASAN_OPTIONS': 'verify_asan_link_order=0'})
        for name, value in fault.items():
            env['FAULT' if name == 'fault' else 'FAULT_' + name.upper()] = str(value)
    return env


def all_signals():
    """Restores signals that a shell ignores in its background jobs."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def run(args, **fault):
    return subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, env=environment(fault))


def start(args, **fault):
    return subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env=environment(fault), preexec_fn=all_signals)


def finish(process):
    """Waits for the process to end and returns the rest of its stderr."""
    said = process.stderr.read()
    process.stderr.close()
    process.wait()
    return said


def wait_for_line(process, word, count=1):
    """Reads stderr until `count` lines have contained `word`."""
    for line in process.stderr:
        count -= word in line
        if count == 0:
            return
    raise AssertionError(f'ended before printing {word}')


def calls_of(args, calls, keep=False, **fault):
    """The calls of a successful run, as lists of words; in a new directory unless `keep` is set."""
    if not keep:
        fresh()
    log = os.path.join(DIRECTORY.name, 'calls')
    if os.path.exists(log):
        os.remove(log)
    result = run(args, calls=calls, log=log, **fault)
    assert result.returncode == 0, result.stderr
    with open(log) as file:
        return [line.split() for line in file]


def fresh():
    shutil.rmtree(MODEL, ignore_errors=True)


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


def picture(directory=MODEL):
    """All of a training directory that must be the same for equal runs."""
    seen = {}
    for path, directories, files in os.walk(directory):
        for name in directories + files:
            full = os.path.join(path, name)
            key = os.path.relpath(full, directory)
            if os.path.islink(full):
                seen[key] = os.readlink(full)
            elif name in directories or name in ('.lock', 'train.log', 'checksums.json'):
                seen[key] = 'is there'  # the checksums cover times, too
            elif name == 'metrics.jsonl':
                seen[key] = [{k: v for k, v in json.loads(line).items() if k not in MEASURED}
                             for line in read(full).splitlines()]
            elif name == 'trainer_state.json':
                state = json.loads(read(full))
                for measured in ('seconds', 'metrics_bytes'):
                    del state['switchyard'][measured]
                del state['switchyard']['window']['seconds']
                seen[key] = state
            elif name != 'training_args.yml':
                seen[key] = zlib.crc32(read(full))
    return seen


def leftovers():
    return [n for _, directories, files in os.walk(MODEL) for n in directories + files if '.tmp-' in n]


class RunsTest(unittest.TestCase):
    def setUp(self):
        fresh()

    def assert_same(self, expected, what=''):
        seen = picture()
        different = [k for k in sorted(seen.keys() | expected.keys())
                     if seen.get(k) != expected.get(k)]
        self.assertEqual(different, [], f'{what}: {[seen.get(k) for k in different]}, expected '
                         f'{[expected.get(k) for k in different]}')

    def whole(self, args):
        """The picture of an unbroken run."""
        fresh()
        result = run(args)
        self.assertEqual(result.returncode, 0, result.stderr)
        seen = picture()
        fresh()
        return seen

    def assert_resumes(self, args, expected, what):
        result = run(args)
        self.assertEqual(result.returncode, 0, f'{what}: {result.stderr}')
        self.assert_same(expected, what)
        return result.stderr


def main():
    """Runs the tests of the calling program."""
    with DIRECTORY:
        os.chdir(DIRECTORY.name)
        words = [a + b for a in 'bdfgkm' for b in 'aeiou']
        make_corpus('a', 60, 1, words)
        make_corpus('b', 60, 2, words)
        make_corpus('v', 10, 3, words)
        # Two vocabularies of the same size.
        for data, vocab in (('a', 'vocab.model'), ('b', 'other.model')):
            fresh()
            result = run(command('--after', '1u', data=data, vocab=False))
            assert result.returncode == 0, result.stderr
            shutil.copy(os.path.join(MODEL, 'spiece.model'), vocab)
        assert read('vocab.model') != read('other.model')
        fresh()
        unittest.main(argv=[sys.argv[0], *(a for a in sys.argv[4:] if a != '--every-call')])
