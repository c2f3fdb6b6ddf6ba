#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What readers find in a training directory during a run: only whole models, with the right permissions."""
import json
import os
import signal
import subprocess
import sys
import time

from training_runs import (CHANGING, MODEL, TRANSLATE, RunsTest, calls_of, command, finish, fresh,
                           main, read, run, start)

ARGS = command('--keep-last', '3')


class Reading(RunsTest):
    def test_translate_while_training_writes(self):
        args = command('--after', '100Ku', '--save-freq', '4u', '--valid-freq', '4u', '--keep-last',
                       '100000', '--learn-rate', '0.003', '--lr-warmup', '100',
                       '--early-stopping', '0', '--disp-freq', '1000u')
        fresh()
        text = b'ba be bi\nbe\n'

        def translate(directory):
            result = subprocess.run([TRANSLATE, '-m', directory, '-q', '--threads', '1',
                                   '--max-output-length', '12'], input=text, capture_output=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            return result.stdout

        process = start(args)
        while not os.path.exists(os.path.join(MODEL, 'best')):
            time.sleep(0.001)
        seen = {translate(directory) for _ in range(4)
                for directory in (MODEL, os.path.join(MODEL, 'last'), os.path.join(MODEL, 'best'))}
        self.assertIsNone(process.poll(), 'it trained all the time')
        process.send_signal(signal.SIGTERM)
        finish(process)
        updates = [n for n in os.listdir(MODEL) if n.startswith('checkpoint-')]
        whole = {translate(os.path.join(MODEL, n)) for n in updates}
        self.assertLessEqual(seen, whole, 'each translation comes from a whole model')
        print(f'12 translations while {len(updates)} checkpoints were written, '
              f'{len(seen)} different', file=sys.stderr)

    def test_a_new_run_leaves_no_mixed_model(self):
        run(ARGS)
        other = command('--overwrite', '--vocab', 'other.model', '--d-ff', '24')
        fresh_run = command('--vocab', 'other.model', '--d-ff', '24')
        expected = self.whole(fresh_run)
        run(ARGS)
        script = calls_of(fresh_run, CHANGING)
        for k in range(1, len(script), 5):
            fresh()
            run(ARGS)
            run(other, fault='kill', at=k, calls=CHANGING)
            if os.path.exists(os.path.join(MODEL, 'config.json')):
                hidden = json.loads(read(MODEL, 'config.json'))['d_ff']
                tables = {16: 'vocab.model', 24: 'other.model'}
                self.assertEqual(read(MODEL, 'spiece.model'), read(tables[hidden]), k)
                translated = subprocess.run([TRANSLATE, '-m', MODEL, '-q'], input=b'ba be\n',
                                          capture_output=True)
                self.assertEqual(translated.returncode, 0, translated.stderr)
        self.assertEqual(run(other).returncode, 0)
        self.assert_same(expected)

    def test_who_may_read(self):
        for mask in (0o022, 0o077):
            fresh()
            before = os.umask(mask)
            result = run(ARGS)
            os.umask(before)
            self.assertEqual(result.returncode, 0, result.stderr)
            for path, directories, files in os.walk(MODEL):
                for names, full in ((directories, 0o777), (files, 0o666)):
                    for name in names:
                        status = os.lstat(os.path.join(path, name))
                        if not os.path.islink(os.path.join(path, name)):
                            self.assertEqual(status.st_mode & 0o777, full & ~mask, name)


if __name__ == '__main__':
    main()
