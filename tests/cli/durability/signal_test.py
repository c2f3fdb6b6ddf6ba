#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGHUP, SIGINT and SIGTERM at any moment, also repeated; SIGSTOP."""
import os
import pty
import signal
import subprocess
import time

from training_runs import (MODEL, TRANSLATE, RunsTest, all_signals, command, environment, finish,
                           fresh, main, make_corpus, start, wait_for_line)

# The first directory is the model's, the second the first checkpoint.
SLEEPS_IN_A_SAVE = {'fault': 'sleep', 'at': 2, 'calls': 'mkdir'}


class Signals(RunsTest):
    LONG = command('--after', '400u', '--save-freq', '50u', '--valid-freq', '100u',
                   '--disp-freq', '20u')

    def assert_stopped(self, process, number, said):
        self.assertEqual(process.wait(), 128 + number, said)
        self.assertIn(f'stopped by signal {number}; rerun the same command to resume', said)

    def test_while_loading(self):
        args = command()
        expected = self.whole(args)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process = start(args, fault='sleep', at=1, calls='create')
            while not os.path.exists(MODEL):
                time.sleep(0.01)
            time.sleep(0.1)
            process.send_signal(number)
            begin = time.monotonic()
            finish(process)
            self.assertEqual(process.returncode, 128 + number)
            self.assertLess(time.monotonic() - begin, 1.5)
            self.assert_resumes(args, expected, f'signal {number} while loading')
            fresh()

    def test_in_a_step_and_in_a_save(self):
        expected = self.whole(self.LONG)
        short = self.whole(command())
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process = start(self.LONG)
            wait_for_line(process, ': Up. ', 6)
            process.send_signal(number)
            self.assert_stopped(process, number, finish(process))
            self.assert_resumes(self.LONG, expected, f'signal {number} in a step')
            fresh()
            process = start(command(), **SLEEPS_IN_A_SAVE)
            wait_for_line(process, ': Up. 1 ')
            process.send_signal(number)
            self.assert_stopped(process, number, finish(process))
            self.assert_resumes(command(), short, f'signal {number} in a save')
            fresh()

    def test_in_validation(self):
        make_corpus('w', 2000, 8, ['ba', 'be', 'bi'])
        args = command('--valid-sets', 'w.src', 'w.tgt', '--valid-metrics', 'bleu', '--after', '4u')
        expected = self.whole(args)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            terminal, stderr = pty.openpty()
            process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=stderr,
                                     env=environment({}), preexec_fn=all_signals)
            os.close(stderr)
            said = b''
            while b'validating' not in said:
                said += os.read(terminal, 4096)
            process.send_signal(number)
            try:
                while more := os.read(terminal, 4096):
                    said += more
            except OSError:  # the other end is closed
                pass
            os.close(terminal)
            self.assert_stopped(process, number, said.decode())
            self.assert_resumes(args, expected, f'signal {number} in validation')
            fresh()

    def test_second_ends_at_once(self):
        args = command()
        expected = self.whole(args)
        process = start(args, **SLEEPS_IN_A_SAVE)
        wait_for_line(process, ': Up. 1 ')
        process.send_signal(signal.SIGTERM)
        time.sleep(1.2)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        said = finish(process)
        self.assertLess(time.monotonic() - begin, 1.5)
        self.assertEqual(process.returncode, 128 + signal.SIGINT)
        self.assertNotIn('stopped by', said)
        self.assert_resumes(args, expected, 'ended at once')

    def test_hundred_are_one_and_stopping_does_nothing(self):
        expected = self.whole(self.LONG)
        process = start(self.LONG, **SLEEPS_IN_A_SAVE)
        wait_for_line(process, ': Up. 20 ')
        time.sleep(0.2)
        begin = time.monotonic()
        for i in range(100):
            process.send_signal(signal.SIGTERM)
            time.sleep(max(0, begin + 0.007 * i - time.monotonic()))
        self.assert_stopped(process, signal.SIGTERM, finish(process))
        process = start(self.LONG)
        wait_for_line(process, ': Up. ', 3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        finish(process)
        self.assertEqual(process.returncode, 0)
        self.assert_same(expected)

    def test_before_the_first_validation(self):
        process = start(command('--after', '4000u', '--valid-freq', '9000u', '--save-freq', '9000u'))
        wait_for_line(process, ': Up. ', 3)
        process.send_signal(signal.SIGINT)
        self.assert_stopped(process, signal.SIGINT, finish(process))
        last = os.path.join(MODEL, 'last')

        def translate(model):
            return subprocess.run([TRANSLATE, '-q', '-m', model], input='ba be\n', text=True,
                                  capture_output=True)
        refused = translate(MODEL)
        self.assertEqual((refused.returncode, refused.stdout), (3, ''))
        self.assertIn('no best model yet, because nothing has been validated; use ' + last,
                      refused.stderr)
        translated = translate(last)
        self.assertEqual((translated.returncode, translated.stdout.count('\n')), (0, 1))

    def test_ignored_ones_stay_ignored(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            fresh()
            process = subprocess.Popen(
                self.LONG, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
            wait_for_line(process, ': Up. ', 3)
            process.send_signal(number)
            finish(process)
            self.assertEqual(process.returncode, 0)


if __name__ == '__main__':
    main()
