#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Full, broken and read-only disks: training continues, the exit code is 1, nothing that was saved is
lost, and rerunning the command gives the same result as an unbroken run."""
import errno
import os
import shutil
import sys

from training_runs import (CHANGING, MODEL, RunsTest, calls_of, command, finish, fresh, leftovers,
                           main, picture, run, start, wait_for_line)


class Disk(RunsTest):
    ARGS = command('--after', '2u')

    def fails_once_at_each(self, number, calls):
        """Failures without consequences may go unreported; all others are reported, and the next
        save makes up for them."""
        expected = self.whole(self.ARGS)
        script = calls_of(self.ARGS, calls)
        reported = 0
        for k, (_, call, path, *_) in enumerate(script, 1):
            what = f'{errno.errorcode[number]} at call {k}, {call} {path}'
            fresh()
            result = run(self.ARGS, fault=number, at=k, calls=calls)
            self.assertIn(result.returncode, (0, 1), what + result.stderr)
            self.assertNotIn('internal error', result.stderr, what)
            self.assertEqual(leftovers(), [], what)
            if result.returncode == 1:
                reported += 1
                line = [x for x in result.stderr.splitlines() if os.strerror(number) in x]
                self.assertEqual(len(line), 1, what + result.stderr)
                self.assertIn(MODEL, line[0])
                if call == 'write' and not path.endswith('.lock'):
                    self.assertIn(' bytes: ', line[0])
                if 'warning: ' in line[0]:
                    self.assertIn('training finished: 2 updates reached', result.stderr, what)
            elif call == 'write' and not path.endswith('metrics.jsonl'):
                self.fail(f'{what}: not reported')
            if picture() != expected:  # no later save made up for it
                self.assert_resumes(self.ARGS, expected, what)
        print(f'{errno.errorcode[number]} at each of {len(script)} calls, {reported} reported',
              file=sys.stderr)

    def test_full_disk(self):
        self.fails_once_at_each(errno.ENOSPC, 'create,write,mkdir,symlink,rename')

    def test_no_room_for_a_checkpoint(self):
        # The first directory is the model's, the others are checkpoints.
        for first, text in ((2, 'no checkpoint could be saved: No space left on device'),
                            (3, 'update 2 could not be saved: No space left on device; the newest '
                                'checkpoint is checkpoint-1')):
            fresh()
            result = run(self.ARGS, fault=errno.ENOSPC, calls='mkdir', **{'from': first})
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertEqual(result.stderr.splitlines()[-1],
                             'switch-train: error: training finished, but ' + text)

    def test_broken_disk(self):
        self.fails_once_at_each(errno.EIO, 'write,fsync,close')

    def test_a_best_model_that_is_saved_late_stays_the_best(self):
        # Its first save fails, the regular one of the same update succeeds. No later model is better.
        args = command('--after', '6u', '--learn-rate', '1e-30')
        expected = self.whole(args)
        script = calls_of(args, 'mkdir')
        best = [k for k, (_, _, path) in enumerate(script, 1) if '/checkpoint-2.tmp-' in path][0]
        fresh()
        result = run(args, fault=errno.ENOSPC, at=best, calls='mkdir')
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assert_same(expected)
        self.assertEqual(os.readlink(os.path.join(MODEL, 'best')), 'checkpoint-2')

    def test_a_better_model_that_cannot_be_exported(self):
        # Update 2 is better than update 1; update 3, with a learning rate of 0, is not better than 2.
        args = command('--after', '3u', '--valid-freq', '1u', '--lr-schedule', 'linear',
                       '--lr-warmup', '0', '--learn-rate', '0.01', '--exponential-smoothing', '0')
        expected = self.whole(args)
        script = calls_of(args, 'mkdir')
        second = [k for k, (_, _, path) in enumerate(script, 1) if '/checkpoint-2.tmp-' in path][0]
        fresh()
        run(args, fault='kill', at=second, calls='mkdir')
        exported = os.path.join(MODEL, 'model.safetensors')
        os.rename(exported, exported + '.kept')
        os.makedirs(os.path.join(exported, 'in the way'))
        result = run(args)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn('best model not written', result.stderr)
        # With --keep-last 1: the last one, the better one, and the one that users still see.
        self.assertEqual(sorted(n for n in os.listdir(MODEL) if n.startswith('checkpoint-')),
                         ['checkpoint-1', 'checkpoint-2', 'checkpoint-3'])
        self.assertEqual(os.readlink(os.path.join(MODEL, 'best')), 'checkpoint-1')
        shutil.rmtree(exported)
        os.rename(exported + '.kept', exported)
        self.assert_resumes(args, expected, 'nothing is in the way now')
        self.assertEqual(os.readlink(os.path.join(MODEL, 'best')), 'checkpoint-2')

    def test_too_large(self):
        self.fails_once_at_each(errno.EFBIG, 'write')

    def test_a_real_limit(self):
        # Enough for the vocabulary, whose tables take 240 kB, but not for the model.
        args = command('--d-model', '64', '--d-ff', '512')
        expected = self.whole(args)
        result = run(['bash', '-c', 'ulimit -f 300; exec "$@"', '-', *args])
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f'write error after {300 * 1024} bytes: {os.strerror(errno.EFBIG)}',
                      result.stderr)
        self.assertIn('Up. 3', result.stderr)
        self.assertEqual(leftovers(), [])
        self.assert_resumes(args, expected, 'a file too large')

    def test_read_only_from_some_call_on(self):
        expected = self.whole(command())
        script = calls_of(command(), CHANGING)
        first = next(k for k, (_, call, path, *_) in enumerate(script, 1)
                     if call == 'mkdir' and path != MODEL)
        for k in range(first, len(script), 7):
            for number in (errno.EROFS, errno.EACCES, errno.ENOSPC):
                fresh()
                result = run(command(), fault=number, calls=CHANGING, **{'from': k})
                self.assertEqual(result.returncode, 1, f'{k}: {result.stderr}')
                self.assertIn('Up. 3', result.stderr, 'training continues')
                self.assert_resumes(command(), expected, f'no writes from call {k} on')

    def test_directory_gone(self):
        args = command('--after', '40u', '--save-freq', '2u')
        process = start(args)
        wait_for_line(process, ': Up. 5 ')
        os.rename(MODEL, MODEL + '-gone')
        said = finish(process)
        self.assertEqual(process.returncode, 1, said)
        self.assertIn('checkpoint not written', said)
        self.assertIn('Up. 40', said)
        self.assertFalse(os.path.exists(MODEL))
        shutil.rmtree(MODEL + '-gone')

    def test_interrupted_and_short_calls(self):
        expected = self.whole(command())
        for fault in ({'fault': errno.EINTR, 'every': 2, 'calls': 'create,write,fsync,ftruncate'},
                      {'fault': 'short', 'every': 1, 'calls': 'write'}):
            fresh()
            result = run(command(), **fault)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn('warning', result.stderr)
            self.assert_same(expected, fault)


if __name__ == '__main__':
    main()
