# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed, full or abandoned, and interrupted translations."""
import json
import os
import select
import signal
import subprocess
import time

from faults.judge import Models, redirected, run as run_tool
from faults.text import write

TINY = ['--preset', 'tiny', '--d-model', '16', '--d-ff', '16', '--num-layers', '1',
        '--num-decoder-layers', '1', '--num-experts', '2', '--vocab-size', '60', '--threads', '1']


def outputs(judge, good):
    """One command for each way of printing results."""
    write('text', b'ab cd\nef\n')
    return [good + ['-i', 'text'], good + ['-i', 'text', '--n-best', '--long-input', 'crop'],
            [judge.tools.evaluate, 'text', '-i', 'text'],
            [judge.tools.evaluate, 'text', '-i', 'text', '--sentence-level'],
            [judge.tools.train, '-t', 'text', 'text', '-m', 'out', '--dump-config'],
            *([tool, option] for tool in judge.tools[1:] for option in ('--help', '--version'))]


def stdout_that_fails(judge, good):
    for command in outputs(judge, good):
        case = ' '.join(os.path.basename(part) for part in command)
        for redirection, reason in [('>/dev/full', 'No space left'), ('>&-', 'Bad file descriptor'),
                                    ('</dev/null >&-', 'Bad file descriptor')]:
            judge.refused(f'{case} {redirection}', 1, ['stdout: write error: ', reason], command,
                          redirection=redirection, inputs=['text', 'good'])
        reader, writer = os.pipe()
        os.close(reader)
        found = run_tool(command, stdout=writer)
        os.close(writer)
        judge.check(f'{case} into a pipe nobody reads', (found.code, found.err) == (0, ''), str(found))
    judge.refused('-o /dev/full', 1, ['write error', 'No space left'], good + ['-i', 'text', '-o', '/dev/full'])
    judge.refused('-o into a missing directory', 1, ['no/out: ', 'No such file'], good + ['-i', 'text', '-o', 'no/out'])
    judge.refused('-o into a file', 1, ['text/out: ', 'Not a directory'], good + ['-i', 'text', '-o', 'text/out'])


def reader_that_leaves(judge, good):
    """... | head -1"""
    for name, command in [('translate', good + ['--mini-batch', '1', '--maxi-batch', '1']),
                          ('evaluate', [judge.tools.evaluate, 'many', '-i', 'many', '--sentence-level'])]:
        with open(write('many', b'ab cd\n' * 20_000)) as many:
            process = subprocess.Popen(command, stdin=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        judge.check(f'{name} | head -1', line.endswith(b'\n') and (process.wait(60), err) == (0, b''),
                    f'{process.returncode}, {err}')
        process.stderr.close()


def streams_that_are_missing(judge, good):
    judge.refused('stdin is closed', 1, ['stdin: cannot read'], good, redirection='<&-')
    judge.refused('stdin is closed, scoring', 1, ['stdin: cannot read'], [judge.tools.evaluate, 'text'],
                  redirection='<&-')
    expected = judge.works('-i text', good + ['-i', 'text'])
    found = run_tool(redirected(good + ['-i', 'text'], '2>&-'))
    judge.check('stderr is closed', (found.code, found.out) == (0, expected), str(found))
    # A run's files must not receive what was meant for stderr or stdout.
    write('pairs', b'ab cd\nef gh\n' * 20)
    found = run_tool(redirected([judge.tools.train, '-t', 'pairs', 'pairs', '-m', 'closed', *TINY, '--after', '2u',
                                 '--disp-freq', '1u'], '<&- >&- 2>&-'))
    judge.check('training without streams', found.code == 0, str(found))
    with open('closed/metrics.jsonl') as file:
        events = [json.loads(line)['event'] for line in file]
    judge.check('training without streams', events.count('train') == 2, str(events))
    with open('closed/.lock') as file:
        judge.check('training without streams', file.read().isdigit(), 'the lock has more than a number')


def interrupted(judge, good):
    """A signal in the middle of a long line does not cut it."""
    long_line = b'ab cd ' * 60_000 + b'\n'
    command = good + ['-b', '1', '--max-input-length', '20', '--long-input', 'split']
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdin.write(b'ab\n' + long_line)
        process.stdin.close()
        first = process.stdout.readline()
        select.select([process.stdout], [], [])
        time.sleep(0.2)  # until the pipe is full and the rest of the line waits for a reader
        process.send_signal(number)
        time.sleep(0.1)
        judge.check(f'signal {number}', process.poll() is None, 'the line was not waited for')
        rest = process.stdout.read()
        code = process.wait(60)
        process.stdout.close()
        judge.check(f'signal {number}', code == 128 + number, f'exit code {code}')
        judge.check(f'signal {number}', first.endswith(b'\n') and len(rest) > 70_000 and rest.endswith(b'\n') and
                    rest.count(b'\n') == 1, f'{len(rest)} bytes, {rest.count(bytes([10]))} lines')
    # If nobody reads the line, the second signal does not wait.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(long_line)
    process.stdin.close()
    select.select([process.stdout], [], [])
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    judge.check('two signals', process.wait(30) == 128 + signal.SIGTERM, f'{process.returncode}')
    process.stdout.close()


def text_that_is_cut(judge, good):
    """Truncating a text while it is read is an error, not its end."""
    write('long', b'ab cd\n' * 1_000_000)
    process = subprocess.Popen(good + ['-b', '1', '--mini-batch', '1', '--maxi-batch', '1', '-i', 'long'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    os.truncate('long', 300_000)
    out, err = process.communicate(timeout=100)
    judge.check('a text that is cut', process.returncode == 1 and out.endswith(b'\n') and
                b'long: ended before its 6000000 bytes' in err, f'{process.returncode}, {err}')


def run(judge):
    good = Models(judge).command('good')
    stdout_that_fails(judge, good)
    reader_that_leaves(judge, good)
    streams_that_are_missing(judge, good)
    interrupted(judge, good)
    text_that_is_cut(judge, good)
