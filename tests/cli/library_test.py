# SPDX-License-Identifier: Apache-2.0
"""What `meson install` installs: README's program builds against it and translates.
usage: library_test.py MESON BUILD README MAKE_MODEL BUSY CXX...

It gives the same translation under every cap on the instruction set and limit on threads.
"""
import os
import re
import subprocess
import sys
import tempfile

from environments import CAPS, environment, limits

MESON, BUILD, README, MAKE_MODEL, BUSY, *CXX = sys.argv[1:]
ENVIRONMENTS = CAPS + limits(BUSY)


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f'{args}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def find(root, name):
    for directory, _, files in os.walk(root):
        if name in files:
            return os.path.join(directory, name)
    sys.exit(f'{name} was not installed')


def main():
    build = os.path.abspath(BUILD)
    make_model = os.path.abspath(MAKE_MODEL)
    with open(README) as file:
        program = re.search(r'```cpp\n(.*?)```', file.read(), re.DOTALL).group(1)
    with tempfile.TemporaryDirectory() as root:
        run(MESON, 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', root)
        for tool in ('switch-train', 'switch-translate', 'switch-evaluate'):
            find(root, tool + '.1')
            find(root, tool + '.bash')
            run(find(root, tool), '--version')

        os.chdir(root)
        run(make_model, 'en-de')
        with open('app.cpp', 'w') as file:
            file.write(program)
        env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=root,
                   PKG_CONFIG_PATH=os.path.dirname(find(root, 'switchyard.pc')))
        flags = run('pkg-config', '--cflags', '--libs', 'switchyard', env=env).split()
        run(*CXX, '-std=c++20', '-Wall', '-Wextra', '-Werror', 'app.cpp', '-o', 'app', *flags)
        library = os.path.dirname(find(root, 'libswitchyard.so'))
        lines = run('./app', env=environment({'LD_LIBRARY_PATH': library})).splitlines()
        if len(lines) != 1:
            sys.exit(f'the program printed {lines}, expected one translation')
        for changes in ENVIRONMENTS:
            found = run('./app', env=environment({**changes, 'LD_LIBRARY_PATH': library}))
            if found.splitlines() != lines:
                sys.exit(f'{changes}: the program printed {found!r}, expected {lines}')
    print('installed, built and translated')


main()
