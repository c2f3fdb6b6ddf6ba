#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--average-last and --average-best: the mean of checkpoints, by value; with full disks and kills."""
import array
import errno
import json
import os
import shutil
import signal
import subprocess

from training_runs import (CHANGING, MODEL, TRANSLATE, RunsTest, calls_of, command, fresh, leftovers,
                           main, picture, read, run)

AVERAGE = os.path.join(MODEL, 'average')


def tensors(directory):
    """Shape and values by name."""
    data = read(directory, 'model.safetensors')
    start = 8 + int.from_bytes(data[:8], 'little')
    found = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != '__metadata__':
            begin, end = entry['data_offsets']
            found[name] = entry['shape'], array.array('f', data[start + begin:start + end])
    return found


def checkpoints():
    return sorted(int(n.split('-')[1]) for n in os.listdir(MODEL) if n.startswith('checkpoint-'))


class Average(RunsTest):
    PLAIN = command('--after', '6u', '--keep-last', '4', '--valid-freq', '1u')
    LAST = [*PLAIN, '--average-last', '3']

    def assert_average_of(self, updates):
        models = [tensors(os.path.join(MODEL, f'checkpoint-{u}')) for u in updates]
        average = tensors(AVERAGE)
        self.assertEqual(average.keys(), models[0].keys())
        for name, (shape, values) in average.items():
            self.assertEqual(shape, models[0][name][0])
            columns = zip(*(model[name][1] for model in models))
            self.assertEqual(values, array.array('f', [sum(c) / len(models) for c in columns]), name)
        self.assertNotEqual(read(AVERAGE, 'model.safetensors'),
                            read(MODEL, 'last', 'model.safetensors'))

    def test_last(self):
        plain = self.whole(self.PLAIN)
        result = run(self.LAST)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f'{AVERAGE}: the average of checkpoint-4, checkpoint-5, checkpoint-6\n',
                      result.stderr)
        self.assert_average_of([4, 5, 6])
        files = set(os.listdir(os.path.join(MODEL, 'last')))
        self.assertEqual(set(os.listdir(AVERAGE)),
                         files - {'optimizer.safetensors', 'trainer_state.json', 'checksums.json'})
        self.assert_only_adds_the_average(plain)
        translated = subprocess.run([TRANSLATE, '-q', '-m', AVERAGE], input='ba be\n', text=True,
                                    capture_output=True)
        self.assertEqual((translated.returncode, translated.stdout.count('\n')), (0, 1))

    def assert_only_adds_the_average(self, plain):
        seen = {k: v for k, v in picture().items() if not k.startswith('average')}
        self.assertEqual(seen, plain)

    def test_best(self):
        args = [*self.PLAIN, '--average-best', '2', '--learn-rate', '0.3']
        result = run(args)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(os.path.join(MODEL, 'metrics.jsonl')) as file:
            records = [json.loads(line) for line in file]
        ce = {r['update']: r['ce-mean-words'] for r in records if r['event'] == 'valid'}
        best = sorted(sorted(checkpoints(), key=lambda update: ce[update])[:2])
        self.assert_average_of(best)

    def test_best_where_bleu_decides_nothing(self):
        """BLEU of one-word references is 0: then ce-mean-words decides, listed or not."""
        with open('v.tgt') as file:
            words = [line.split()[0] for line in file]
        with open('words.tgt', 'w') as file:
            print(*words, sep='\n', file=file)
        args = [*self.PLAIN, '--average-best', '2', '--learn-rate', '30']
        args[args.index('v.tgt')] = 'words.tgt'
        self.assertEqual(run(args).returncode, 0)
        expected = read(AVERAGE, 'model.safetensors')
        self.assertNotIn('average of checkpoint-5, checkpoint-6', read(MODEL, 'train.log').decode())
        args[args.index('ce-mean-words')] = 'bleu'
        self.assertEqual(run([*args, '--overwrite']).returncode, 0)
        self.assertEqual(read(AVERAGE, 'model.safetensors'), expected)

    def test_a_finished_run_and_a_longer_one(self):
        self.assertEqual(run(self.PLAIN).returncode, 0)
        plain = picture()
        result = run([*self.PLAIN, '--average-last', '2'])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('nothing to do', result.stderr)
        self.assert_average_of([5, 6])
        self.assert_only_adds_the_average(plain)
        longer = [*self.LAST]
        longer[longer.index('--after') + 1] = '8u'
        expected = self.whole(longer)
        run(self.LAST)
        self.assert_resumes(longer, expected, 'resumed after averaging')
        self.assert_average_of([6, 7, 8])
        self.assertEqual(run([*self.PLAIN, '--overwrite']).returncode, 0)
        self.assertFalse(os.path.exists(AVERAGE))

    def test_too_few(self):
        args = [*self.LAST]
        args[args.index('--after') + 1] = '2u'
        result = run(args)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('warning: --average-last 3: the run has only 2 checkpoints', result.stderr)
        self.assert_average_of([1, 2])
        args = command('--after', '3u', '--keep-last', '3', '--average-best', '3')
        result = run([*args, '--overwrite'])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('warning: --average-best 3: only 2 of 3 checkpoints kept (--keep-last) have been validated',
                      result.stderr)
        for more, text in ((['--average-last', '5'], '--average-last 5 needs --keep-last 5 or more; it is 4'),
                           (['--average-best', '9'], '--average-best 9 needs --keep-last 9 or more; it is 4'),
                           (['--average-best', '1', '--average-last', '1'], 'give only one')):
            result = run([*self.PLAIN, *more])
            self.assertEqual(result.returncode, 2)
            self.assertIn(text, result.stderr)

    def test_damaged_checkpoint(self):
        self.assertEqual(run(self.PLAIN).returncode, 0)
        with open(os.path.join(MODEL, 'checkpoint-5', 'model.safetensors'), 'ab') as file:
            file.write(b'x')
        result = run(self.LAST)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn('checkpoint-5/model.safetensors: bytes and checksum', result.stderr)
        self.assertFalse(os.path.exists(AVERAGE))

    def test_kills_and_full_disks(self):
        expected = self.whole(self.LAST)
        script = calls_of(self.LAST, CHANGING)
        calls = [k for k, (_, _, path, *_) in enumerate(script, 1) if '/average' in path]
        self.assertGreater(len(calls), 10)
        for k in calls:
            fresh()
            result = run(self.LAST, fault='kill', at=k, calls=CHANGING)
            self.assertEqual(result.returncode, -signal.SIGKILL)
            self.assert_resumes(self.LAST, expected, f'killed at call {k}')
        for k in calls[::3]:
            fresh()
            result = run(self.LAST, fault=errno.ENOSPC, at=k, calls=CHANGING)
            if result.returncode:
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn('No space left on device', result.stderr.splitlines()[-1])
                self.assertIn('training finished', result.stderr)
            self.assertEqual(leftovers(), [])
            self.assert_resumes(self.LAST, expected, f'no space at call {k}')
        shutil.rmtree(AVERAGE)


if __name__ == '__main__':
    main()
