# SPDX-License-Identifier: Apache-2.0
"""switch-translate on very many lines: none is lost, and memory does not grow.
usage: soak_test.py MAKE_MODEL SWITCH_TRANSLATE LINES
"""
import os
import random
import subprocess
import sys
import tempfile
import threading

MAKE_MODEL, TRANSLATE, LINES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int(sys.argv[3])


def resident_bytes(pid):
    with open(f'/proc/{pid}/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')


def feed(pipe):
    rng = random.Random(1)
    words = ['ba', 'rem', 'tolu', 'kis', '', 'x']
    with pipe:
        for _ in range(LINES):
            pipe.write(' '.join(rng.choices(words, k=rng.randint(0, 4))) + '\n')


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        subprocess.run([MAKE_MODEL, 'm'], check=True)
        process = subprocess.Popen([TRANSLATE, '-m', 'm', '-q', '--beam-size', '1',
                                    '--max-output-length', '4'], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=feed, args=(process.stdin,)).start()
        lines, early, late = 0, 0, 0
        for _ in process.stdout:
            lines += 1
            if lines == LINES // 5:
                early = resident_bytes(process.pid)
            if lines % 1000 == 0 and lines > LINES // 5 and process.poll() is None:
                late = max(late, resident_bytes(process.pid))
        code = process.wait()
        os.chdir('/')
    print(f'{lines} of {LINES} lines, exit {code}; resident after a fifth: {early / 1e6:.1f} MB, '
          f'at most later: {late / 1e6:.1f} MB')
    # After a fifth, sentences of every length have been seen; 8 MB is the read-ahead.
    return 0 if (lines, code) == (LINES, 0) and late <= early + 8e6 else 1


sys.exit(main())
