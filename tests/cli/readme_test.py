# SPDX-License-Identifier: Apache-2.0
"""Every command of README.md, in order, on small text and small models.
usage: readme_test.py README BUILD

tools/quickstart and tools/check are left to .ci/run, which runs them on a bare system.
"""
import os
import re
import stat
import subprocess
import sys
import tempfile

README, BUILD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# Makes the commands quick: provides the options that README does not give.
SMALL = '''d-model: 32
d-ff: 64
d-kv: 8
num-heads: 4
num-layers: 2
num-decoder-layers: 2
num-sparse-encoder-layers: 1
num-sparse-decoder-layers: 1
num-experts: 2
vocab-size: 80
mini-batch-words: 256
after: 8u
threads: 1
'''
SOURCE = 'a man sees {} dogs near the {} house\n'
TARGET = 'ein Mann sieht {} Hunde beim {} Haus\n'


def write_text(name, form):
    lines = ''.join(form.format(i % 7, i // 7) for i in range(60))
    if name.endswith('.gz'):
        subprocess.run(['gzip', '-nc'], input=lines.encode(), stdout=open(name, 'wb'), check=True)
    else:
        with open(name, 'w') as file:
            file.write(lines)


def wrap(program, path):
    """Makes `path` run `program` with the small settings."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(f'#!/bin/sh\nexec "{program}" "$@" -c "$SMALL"\n')
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def is_left_to_ci(line):
    program = line.split()[0]
    if program.startswith('tools/'):
        if not os.access(os.path.join(os.path.dirname(README), program), os.X_OK):
            sys.exit(f'{program} is not executable')
        return True
    return False


def commands(text):
    for block in re.findall(r'```bash\n(.*?)```', text, re.DOTALL):
        lines = [line for line in block.splitlines() if line and not line.startswith('#')]
        lines = [line for line in lines if not is_left_to_ci(line)]
        if lines:
            yield '\n'.join(lines)


def main():
    with open(README) as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        with open('small.yml', 'w') as file:
            file.write(SMALL)
        env = dict(os.environ, SMALL=os.path.join(directory, 'small.yml'),
                   PATH=os.path.join(directory, 'bin') + ':' + BUILD + '/tools:' + os.environ['PATH'])
        for tools in ('bin', 'build/tools'):
            wrap(BUILD + '/tools/switch-train', tools + '/switch-train')
        os.symlink(BUILD + '/tools/switch-translate', 'build/tools/switch-translate')
        wrap(BUILD + '/bench/train_step', 'build/bench/train_step')
        for name in set(re.findall(r'[\w.]+\.(?:en|de)(?:\.gz)?\b', text)):
            write_text(name, SOURCE if '.en' in name else TARGET)
        count = 0
        for command in commands(text):
            command = re.sub(r'--seconds \d+', '--seconds 1', command)
            done = subprocess.run(['bash', '-euo', 'pipefail', '-c', command], env=env, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True)
            print(f'exit {done.returncode}: {command}')
            if done.returncode != 0:
                sys.exit(done.stdout + done.stderr)
            count += 1
        os.chdir('/')
    if count < 4:
        sys.exit(f'{count} blocks of commands found, expected at least 4')


main()
