# SPDX-License-Identifier: Apache-2.0
"""Runs a tool on damaged input and judges the outcome.

A refusal is an exit code and one line on stderr, `TOOL: error: FILE: what, found, expected`, with
nothing but warnings before it. stdout stays empty, inputs stay unchanged, no control characters or
library messages appear, and it takes little time and memory.
"""
import os
import re
import shutil
import subprocess
import tempfile
import threading
from typing import NamedTuple

CPU_SECONDS = 5  # CPU time, so that other programs do not count
MEMORY_BYTES = 256 << 20  # in addition to the size of the input
KILLED_AFTER_SECONDS = 120
# Control characters, including C1, and what only a library or the runtime would say.
UNFIT = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f]|std::|terminate|exception|internal error|libgomp|'
                   r'Assertion|Sanitizer|runtime error')


class Tools(NamedTuple):
    make_model: str
    train: str
    translate: str
    evaluate: str
    convert: str


class Outcome(NamedTuple):
    code: int  # -N: killed by signal N
    out: bytes
    err: str
    cpu_seconds: float
    memory_bytes: int


def run(command, stdin=b'', **how):
    """stdin: bytes, or an open file. how: as subprocess.Popen."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, \
            tempfile.TemporaryFile() as err:
        if isinstance(stdin, bytes):
            given.write(stdin)
            given.seek(0)
            stdin = given
        how.setdefault('stdout', out)
        process = subprocess.Popen(command, stdin=stdin, stderr=err, **how)
        timer = threading.Timer(KILLED_AFTER_SECONDS, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Outcome(process.returncode, out.read(), err.read().decode(errors='replace'),
                       usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def redirected(command, redirection):
    """Returns the command as a shell would start it with `>&-` or the like."""
    return ['sh', '-c', f'exec "$@" {redirection}', 'sh', *command]


def state_of(path):
    """What must not change: names, sizes and times of a file or of all files in a directory."""
    found = {}
    for directory, directories, files in os.walk(path):
        for name in directories + files:
            inside = os.path.join(directory, name)
            status = os.lstat(inside)
            found[inside] = (status.st_size, status.st_mtime_ns)
    if os.path.lexists(path) and not os.path.isdir(path):
        status = os.lstat(path)
        found[path] = (status.st_size, status.st_mtime_ns)
    return found


class Judge:
    def __init__(self, tools):
        self.tools = tools
        with open(tools.translate, 'rb') as file:
            sanitized = b'__asan_init' in file.read()
        self.cpu_seconds = CPU_SECONDS * (10 if sanitized else 1)
        self.memory_bytes = MEMORY_BYTES * (4 if sanitized else 1)
        self.cases = self.failed = 0

    def check(self, case, ok, what):
        self.cases += 1
        if not ok:
            self.failed += 1
            print(f'FAILED: {case}: {what}', flush=True)
        return ok

    def refused(self, case, code, words, command, inputs=(), redirection='', **how):
        """Expects this exit code and an error line that contains all these words."""
        before = [state_of(path) for path in inputs]
        size = sum(entry[0] for state in before for entry in state.values())
        found = run(redirected(command, redirection), **how)
        tool = os.path.basename(command[0])
        lines = found.err.splitlines()
        error = lines[-1] if lines else ''
        wrong = []
        if found.code != code:
            wrong.append(f'exit code {found.code}, expected {code}')
        if not error.startswith(tool + ': error: ') or not found.err.endswith('\n'):
            wrong.append('the last line is not an error')
        if not all(line.startswith(tool + ': warning: ') for line in lines[:-1]):
            wrong.append('more than warnings before the error')
        wrong += [f'"{word}" is not said' for word in words if word not in error]
        if found.out:
            wrong.append(f'stdout has {found.out[:80]}')
        if unfit := UNFIT.search(found.err):
            wrong.append(f'{unfit.group()!r} is on stderr')
        if found.cpu_seconds > self.cpu_seconds:
            wrong.append(f'{found.cpu_seconds:.1f} s')
        if found.memory_bytes > size + self.memory_bytes:
            wrong.append(f'{found.memory_bytes >> 20} MB of memory for {size >> 20} MB of input')
        if before != [state_of(path) for path in inputs]:
            wrong.append('the input was changed')
        self.check(case, not wrong, '; '.join(wrong) + ': ' + found.err[:600])

    def works(self, case, command, words=(), **how):
        """Expects exit code 0 and these words on stderr. Returns stdout."""
        found = run(command, **how)
        missing = [word for word in words if word not in found.err]
        ok = found.code == 0 and not missing and not UNFIT.search(found.err)
        self.check(case, ok, f'exit code {found.code}, not said: {missing}: {found.err[:600]}')
        return found.out


class Models:
    """Copies of a good model, each damaged in some way."""
    TEXT = b'ab cd ef\n\ngh ij.\n'

    def __init__(self, judge):
        self.judge = judge
        subprocess.run([judge.tools.make_model, 'good'], check=True)
        self.expected = judge.works('the good model', self.command('good'), stdin=self.TEXT)

    def command(self, directory):
        return [self.judge.tools.translate, '-q', '--threads', '1', '--max-output-length', '8',
                '-m', directory]

    def spoiled(self, spoil):
        shutil.rmtree('spoiled', ignore_errors=True)
        shutil.copytree('good', 'spoiled')
        spoil('spoiled')
        return 'spoiled'

    def refused(self, case, code, words, spoil):
        directory = self.spoiled(spoil)
        self.judge.refused(case, code, words, self.command(directory), inputs=[directory],
                           stdin=self.TEXT)

    def same(self, case, spoil, words=()):
        """Expects a model in another form: it translates like the good one."""
        directory = self.spoiled(spoil)
        out = self.judge.works(case, self.command(directory), words, stdin=self.TEXT)
        self.judge.check(case, out == self.expected, f'another translation: {out[:200]}')
