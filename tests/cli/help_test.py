# SPDX-License-Identifier: Apache-2.0
"""What the tools say of themselves: --help on one screen, all options elsewhere.
usage: help_test.py TOOL...
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

TOOLS = [os.path.abspath(path) for path in sys.argv[1:]]


def run(*args):
    done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def all_options(tool):
    return re.findall(r'^  (?:-\w, )?--([a-z-]+)', run(tool, '--help-all')[1], re.MULTILINE)


class HelpTest(unittest.TestCase):
    def each_tool(self, *args):
        for tool in TOOLS:
            with self.subTest(tool=os.path.basename(tool)):
                code, out, err = run(tool, *args)
                self.assertEqual((code, err), (0, ''))
                yield tool, os.path.basename(tool), out

    def test_help_is_one_screen(self):
        for _, name, out in self.each_tool('--help'):
            lines = out.splitlines()
            self.assertTrue(lines[0].startswith('Usage: ' + name))
            self.assertLessEqual(len(lines), 24)
            self.assertLessEqual(max(map(len, lines)), 80)
            self.assertIn('Examples:\n  ', out)
            self.assertIn('--help-all', lines[-1])

    def test_help_all_has_what_help_has(self):
        for tool, _, out in self.each_tool('--help'):
            options = all_options(tool)
            self.assertEqual(len(options), len(set(options)))
            self.assertLess(set(re.findall(r'^  (?:-\w, )?--([a-z-]+)', out, re.MULTILINE)),
                            set(options))
            self.assertLessEqual(max(map(len, run(tool, '--help-all')[1].splitlines())), 80)

    def test_examples_use_options_that_exist(self):
        for tool, name, out in self.each_tool('--help'):
            for example in re.findall(r'^  .*' + name + r' (.*)$', out.split('Examples:')[1],
                                      re.MULTILINE):
                own = example.split('|')[0]
                for option in re.findall(r'--([a-z-]+)', own):
                    self.assertIn(option, all_options(tool))

    def test_build_info(self):
        for _, name, out in self.each_tool('--build-info'):
            self.assertRegex(out, r'\A' + name + r' \d+\.\d+\.\d+\n')
            self.assertRegex(out, r'\ncompiler: .*\d')
            if name != 'switch-evaluate':
                self.assertRegex(out, r'\nbackend: CPU, .*oneDNN \d+\.\d+')

    def test_nothing_given(self):
        for tool in TOOLS:
            code, out, err = run(tool)
            self.assertEqual((code, out), (2, ''))
            self.assertRegex(err, r'\Aswitch-\w+: error: .*\n\Z')

    def test_near_names_are_suggested(self):
        for tool in TOOLS:
            for option in all_options(tool):
                code, _, err = run(tool, '--' + option + 'x')
                self.assertEqual(code, 2)
                self.assertIn(f'did you mean --{option}?', err)

    def test_man_page(self):
        formatter = shutil.which('groff')
        for tool, name, out in self.each_tool('--man-page'):
            self.assertTrue(out.startswith('.TH ' + name.upper() + ' 1 '))
            for option in all_options(tool):
                self.assertIn('\\-\\-' + option.replace('-', '\\-'), out)
            if formatter:
                done = subprocess.run([formatter, '-man', '-ww', '-Tutf8'], input=out,
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ''))

    def complete(self, tool, *words):
        script = ('. <("$0" --completion bash); COMP_WORDS=("${@:1}"); COMP_CWORD=$(($# - 1))\n'
                  '$(complete -p "$1" | grep -oE "_switch_[a-z]+") ; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(['bash', '-c', script, tool, os.path.basename(tool), *words],
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, '')
        return done.stdout.split('\n')[:-1]

    def test_completion(self):
        for tool in TOOLS:
            self.assertEqual(self.complete(tool, '--help-'), ['--help-all'])
            self.assertEqual(sorted(self.complete(tool, '--')),
                             sorted('--' + o for o in all_options(tool)))
            self.assertIn('/etc/passwd', self.complete(tool, '/etc/pass'))
        evaluate = next(t for t in TOOLS if t.endswith('evaluate'))
        self.assertEqual(self.complete(evaluate, '--metrics', 'c'), ['chrf'])
        self.assertEqual(self.complete(evaluate, '-m', ''), ['bleu', 'chrf'])
        self.assertEqual(self.complete(evaluate, '--width', ''), [''])
        code, _, err = run(evaluate, '--completion', 'fish')
        self.assertEqual(code, 2)
        self.assertIn('fish', err)


unittest.main(argv=sys.argv[:1])
