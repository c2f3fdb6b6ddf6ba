# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts on a machine: the README's program builds against it and translates.
usage: library_test.py MESON BUILD README MAKE_MODEL CXX...
"""
import os
import re
import subprocess
import sys
import tempfile

MESON, BUILD, README, MAKE_MODEL, *CXX = sys.argv[1:]


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f'{args}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def find(root, name):
    for folder, _, files in os.walk(root):
        if name in files:
            return os.path.join(folder, name)
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
        lines = run('./app', env=dict(os.environ, LD_LIBRARY_PATH=library)).splitlines()
        if len(lines) != 1:
            sys.exit(f'the program printed {lines}, expected one translation')
    print('installed, built and translated')


main()
