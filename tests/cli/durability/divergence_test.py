#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers gone wrong: the run says so and ends with 4; nothing that is not finite is saved."""
import array
import json
import math
import os
import random
import zlib

from training_runs import MODEL, RunsTest, command, fresh, main, read, run


class Divergence(RunsTest):
    def tensors(self, path):
        data = read(path)
        length = int.from_bytes(data[:8], 'little')
        for name, entry in json.loads(data[8:8 + length]).items():
            if name != '__metadata__':
                begin, end = entry['data_offsets']
                yield name, 8 + length + begin, array.array('f', data[8 + length:][begin:end])

    def assert_finite(self):
        for path, _, files in os.walk(MODEL):
            for name in files:
                if name.endswith('.safetensors'):
                    for tensor, _, values in self.tensors(os.path.join(path, name)):
                        self.assertTrue(all(map(math.isfinite, values)), f'{path} {name} {tensor}')

    def test_a_rate_far_too_high(self):
        for more in ([], ['--clip-norm', '0'], ['--optimizer-params', '0.9', '0.98', '1e-9', '1'],
                     ['--valid-metrics', 'bleu', 'ce-mean-words']):
            fresh()
            result = run(command('--after', '400u', '--learn-rate', '1e6', '--lr-warmup', '0',
                               '--save-freq', '2u', *more))
            self.assertEqual(result.returncode, 4, result.stderr)
            self.assertRegex(result.stderr, 'training diverged (at|after) update [0-9]+: ')
            self.assert_finite()

    def spoil(self, checkpoint, tensor, row, value):
        """Puts a value into a row of a tensor of a checkpoint, with its checksum."""
        path = os.path.join(MODEL, checkpoint, 'optimizer.safetensors')
        data = bytearray(read(path))
        columns = 2
        name, offset, _ = next(t for t in self.tensors(path) if t[0] == 'params/' + tensor)
        data[offset + 4 * columns * row:offset + 4 * columns * (row + 1)] = array.array(
            'f', [value] * columns).tobytes()
        with open(path, 'wb') as file:
            file.write(data)
        sums = os.path.join(MODEL, checkpoint, 'checksums.json')
        checksums = json.loads(read(sums))
        checksums['files']['optimizer.safetensors']['crc32'] = f'{zlib.crc32(data):08x}'
        with open(sums, 'w') as file:
            json.dump(checksums, file)

    def test_steps_are_skipped_and_counted(self):
        # A bias between positions 7 apart, which only the long sentences have: one in 12.
        rng = random.Random(7)
        with open('n.src', 'w') as src, open('n.tgt', 'w') as tgt:
            for i in range(240):
                words = [rng.choice(['ba', 'be', 'bi']) for _ in range(20 if i % 12 == 0 else 2)]
                print(*words, file=src)
                print('ba', file=tgt)
        args = ['--save-freq', '60u', '--valid-freq', '60u', '--mini-batch', '4',
                '--mini-batch-words', '0']
        fresh()
        self.assertEqual(run(command('--after', '4u', *args, data='n')).returncode, 0)
        self.spoil('checkpoint-4', 'encoder.block.0.layer.0.SelfAttention.'
                   'relative_attention_bias.weight', 7, float('inf'))
        result = run(command('--after', '100u', *args, data='n'))
        self.assertIn('the gradient is not finite; step skipped', result.stderr)
        skipped = result.stderr.count('step skipped')
        lines = [json.loads(line) for line in read(MODEL, 'metrics.jsonl').splitlines()]
        self.assertEqual(max(r.get('skipped', 0) for r in lines), skipped)
        # The run continues, but what it would save still contains the infinite value.
        self.assertEqual(result.returncode, 4)
        self.assertIn('training diverged at update 60: ', result.stderr)
        self.assertIn('only finite numbers are saved', result.stderr)
        self.assertFalse(os.path.exists(os.path.join(MODEL, 'checkpoint-60')))

    def test_ten_in_a_row_are_counted_across_a_resume(self):
        # The first update moves the parameters so far that all later gradients are 0 or not finite.
        args = ['--learn-rate', '1e6', '--lr-schedule', 'constant', '--lr-warmup', '0',
                '--router-z-loss-coef', '1000', '--clip-norm', '0', '--compute-type', 'float32',
                '--exponential-smoothing', '0', '--save-freq', '1e', '--valid-freq', '9u',
                '--mini-batch', '10', '--mini-batch-words', '0']
        result = run(command('--after', '1e', *args))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count('step skipped'), 5, 'of six batches')
        state = json.loads(read(MODEL, 'last', 'trainer_state.json'))
        self.assertEqual(state['global_step'], 1)
        self.assertEqual(state['switchyard']['skipped_in_a_row'], 5)
        result = run(command('--after', '2e', *args))
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertEqual(result.stderr.count('step skipped'), 4, 'and the tenth ends the run')
        self.assertIn('training diverged after update 1: 10 steps in a row', result.stderr)
        self.assertIn('; try a lower --learn-rate or a longer --lr-warmup', result.stderr)

    def test_empty_validation_set(self):
        for text in ('', '\n\n'):
            for name in ('empty.src', 'empty.tgt'):
                with open(name, 'w') as file:
                    file.write(text)
            fresh()
            result = run(command('--valid-sets', 'empty.src', 'empty.tgt'))
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn('empty.src', result.stderr)
            self.assertNotIn(': Up. ', result.stderr)


if __name__ == '__main__':
    main()
