#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run that is killed and started again ends like an unbroken one. With --every-call, runs are killed
before each call to the file system; without it, not before open, close and fsync, which change
nothing that outlives the process."""
import errno
import os
import random
import signal
import sys
import time

from training_runs import (CHANGING, MODEL, RunsTest, calls_of, command, finish, fresh, main, run,
                           start, wait_for_line)

EVERY_CALL = '--every-call' in sys.argv


class Kills(RunsTest):
    def kill_at_every_call(self, args, **more):
        calls = 'open,close,fsync,' + CHANGING if EVERY_CALL else CHANGING
        expected = self.whole(args)
        script = calls_of(args, calls)
        self.assert_same(expected)
        self.assertGreater(len(script), 100)
        for k, (_, *call) in enumerate(script, 1):
            fresh()
            killed = run(args, fault='kill', at=k, calls=calls, **more)
            self.assertEqual(killed.returncode, -signal.SIGKILL, f'{k}: {killed.stderr}')
            self.assert_resumes(args, expected, f'killed before call {k}, {call}')
        print(f'killed at each of {len(script)} calls', file=sys.stderr)

    def test_at_every_call(self):
        # Starts, saves, saves the best, removes an old checkpoint, overwrites one.
        self.kill_at_every_call(command())

    def test_at_random_moments(self):
        args = command('--d-model', '64', '--d-ff', '128', '--after', '60u', '--save-freq', '3u',
                       '--valid-freq', '8u', '--optimizer-delay', '3', '--valid-metrics', 'bleu',
                       'ce-mean-words', '--keep-last', '2', '--dropout', '0.1',
                       '--capacity-factor', '1.5', '--disp-freq', '7u', '--disp-first', '1000')
        begin = time.monotonic()
        expected = self.whole(args)
        seconds = time.monotonic() - begin
        rng = random.Random(4)
        kills = 0
        while kills < 20:
            fault = {'fault': 'kill', 'at': rng.randint(1, 150)} if kills % 3 == 0 else {}
            process = start(args, **fault)
            try:
                if kills % 3 == 1:  # at a random moment after some updates
                    wait_for_line(process, ': Up. ', rng.randint(1, 5))
                    time.sleep(rng.uniform(0, seconds / 15))
                elif kills % 3 == 2:
                    time.sleep(rng.uniform(0, seconds / 4))
                if not fault:
                    process.kill()
            except AssertionError:  # it ended before printing that much
                pass
            finish(process)
            if process.returncode == 0:  # it finished first
                self.assert_same(expected)
                fresh()
            else:
                self.assertEqual(process.returncode, -signal.SIGKILL)
                kills += 1
        self.assert_resumes(args, expected, 'killed 20 times')

    def test_where_directories_cannot_be_exchanged(self):
        # renameat2(RENAME_EXCHANGE) is the only call with two names of the same checkpoint.
        args = command()
        expected = self.whole(args)
        script = calls_of(args, 'rename')
        exchange = [k for k, (_, _, to, old) in enumerate(script, 1)
                    if os.path.basename(to) == 'checkpoint-3' and '.tmp-' in old]
        self.assertEqual(len(exchange), 2)
        fresh()
        result = run(args, fault=errno.EINVAL, at=exchange[1], calls='rename')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_same(expected)


if __name__ == '__main__':
    main()
