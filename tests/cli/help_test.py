# SPDX-License-Identifier: Apache-2.0
"""What the tools print about themselves: --help on one screen, every option elsewhere.
usage: help_test.py TOOL...
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
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
            self.assertRegex(out, r'\nbackend: CPU, .*oneDNN \d+\.\d+')
            self.assertNotRegex(out, r'AVX3|AVX10|EMU128|SCALAR')  # Highway's names

    def explained(self, name, option):
        """What --help-all says about an option, as one line."""
        out = run(next(t for t in TOOLS if t.endswith(name)), '--help-all')[1]
        return ' '.join(re.search(rf'^  (?:-\w, )?--{option}[ \n](.*?)(?=^ {{2}}-|^\n)', out,
                                  re.MULTILINE | re.DOTALL).group(1).split())

    def test_explanations(self):
        for name, option, text in (
                ('train', 'after', 'LIMIT when to stop, counted from the start of the run, resumed '
                 'parts included: 10e (epochs), 50Ku (updates), 1Gt (target tokens), 60s, 30m or 2h '
                 '(training time); with commas, whichever comes first [20e]'),
                ('train', 'overwrite', "delete the run in the directory, checkpoints and model included, "
                 "and start over (Marian's option of this name deletes nothing)"),
                ('train', 'num-experts', 'N experts per sparse layer [8]'),
                ('train', 'num-sparse-encoder-layers', 'N number of encoder blocks with experts, '
                 'evenly spaced: 2 of 4 means every second block [2]'),
                ('train', 'seed', 'N the same seed and settings give the same model, with the same '
                 'number of threads and workers [1]'),
                ('translate', 'model', 'DIR a model directory, or a training directory, whose best '
                 'checkpoint is used; DIR/last or DIR/checkpoint-300 selects another'),
                ('translate', 'long-input', 'crop|split|error longer lines: crop loses the rest, '
                 'split translates it in parts, error stops [crop]'),
                ('translate', 'compute-type',
                 "auto|float32|bfloat16|int8 matmul precision; auto: the type of the model's prepared "
                 'file, else float32; bfloat16 and int8 are faster, and translations may differ '
                 'slightly [auto]')):
            self.assertEqual(self.explained(name, option), text)

    def test_files(self):
        for name, options in (('train', ('--help', '--help-all', '--man-page')),
                              ('translate', ('--help-all', '--man-page'))):
            tool = next(t for t in TOOLS if t.endswith(name))
            for option in options:
                out = run(tool, option)[1].replace('\\', '')
                if option == '--man-page':
                    out = out.split('.SH FILES\n')[1].split('.SH')[0]
                elif option == '--help-all':
                    out = out.split('\nFiles in DIR:\n')[1]
                for file in ['best', 'last', 'checkpoint-N'] + ['train.log', 'metrics.jsonl'] * (name == 'train'):
                    self.assertRegex(out, rf'\b{file}\b')

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

    def unknown(self, name, *args):
        """The part of the error that follows the name of the unknown option."""
        tool = next(t for t in TOOLS if t.endswith(name))
        code, out, err = run(tool, *args)
        self.assertEqual((code, out, err.count('\n')), (2, '', 1))
        self.assertTrue(err.startswith(f"switch-{name}: error: unknown option '{args[0]}'; "), err)
        return err.split("'; ", 1)[1].rstrip()

    def test_no_far_fetched_suggestions(self):
        for name in ('train', 'translate', 'evaluate'):
            for option in ('--foo', '--e', '--no-such-option', '--x', '--colour', '-Z'):
                self.assertEqual(self.unknown(name, option), '--help-all lists every option')
            for option, ours in (('--thread', 'threads'), ('--log', 'log-level'),
                                 ('--trheads', 'threads'), ('--confg', 'config')):
                self.assertEqual(self.unknown(name, option), f'did you mean --{ours}?')

    def test_names_of_other_programs(self):
        for name, args, advice in (
                ('train', ['--epochs', '12'], 'use --after 12e'),
                ('train', ['--epochs'], 'use --after 10e'),
                ('train', ['--epochs', 'many'], 'use --after 10e'),
                ('train', ['--max-epoch=3'], "use --after 3e"),
                ('train', ['--max_steps', '100000'], 'use --after 100000u'),
                ('train', ['--max-update', '5'], 'use --after 5u'),
                ('train', ['--batch-size', '64'],
                 'use --mini-batch 64 (sentences) or --mini-batch-words 4096 (tokens)'),
                ('train', ['--bf16'], 'use --compute-type bfloat16'),
                ('train', ['--fp16'], 'use --compute-type bfloat16 (there is no float16)'),
                ('translate', ['--int8'], 'use --compute-type int8'),
                ('translate', ['--fp16'], 'use --compute-type bfloat16 or int8 (there is no float16)'),
                ('train', ['--experts', '4'], 'use --num-experts 4'),
                ('train', ['--resume'], 'rerun the same command to resume'),
                ('train', ['--learning-rate', '0.001'], 'use --learn-rate 0.001'),
                ('train', ['--warmup-steps', '400'], 'use --lr-warmup 400u'),
                ('train', ['--patience', '5'], 'use --early-stopping 5'),
                ('train', ['--output_dir', 'en-de'], 'use --model en-de'),
                ('train', ['--output-dir', '--overwrite'], 'use --model DIR'),
                ('train', ['--transformer-dim-ffn', '64'], 'use --d-ff 64'),
                ('train', ['--gradient-accumulation-steps', '2'], 'use --optimizer-delay 2'),
                ('train', ['-d', '0'], 'there is no GPU backend; --threads is for the CPU'),
                ('translate', ['--beams', '4'], 'use --beam-size 4'),
                ('translate', ['--beam', '4'], 'use --beam-size 4'),
                ('translate', ['--batch-size', '8'], 'use --mini-batch 8'),
                ('translate', ['--num_hypotheses', '3'], 'use --n-best=3'),
                ('translate', ['--max-len-b', '9'], 'use --max-output-length 9'),
                ('translate', ['--sampling-topk', '10'], 'use --do-sample --top-k 10'),
                ('translate', ['--models', 'm'], 'use --model m'),
                ('evaluate', ['--ref', 'r'],
                 'references come first, without a name: switch-evaluate REF -i TRANSLATION')):
            self.assertEqual(self.unknown(name, *args), advice)
            known = all_options(next(t for t in TOOLS if t.endswith(name)))
            for option in re.findall(r'--([a-z-]+)', advice):
                self.assertIn(option, known)

    def test_names_of_other_programs_in_a_file(self):
        with tempfile.NamedTemporaryFile('w', suffix='.yml') as file:
            file.write('epochs: 7\n')
            file.flush()
            tool = next(t for t in TOOLS if t.endswith('train'))
            code, _, err = run(tool, '-c', file.name)
        self.assertEqual(code, 2)
        self.assertIn(":1: unknown option 'epochs'; use --after 7e\n", err)

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
        self.assertEqual(self.complete(evaluate, '-m', ''), ['bleu', 'chrf', 'perplexity'])
        self.assertEqual(self.complete(evaluate, '--width', ''), [''])
        code, _, err = run(evaluate, '--completion', 'fish')
        self.assertEqual(code, 2)
        self.assertIn('fish', err)


unittest.main(argv=sys.argv[:1])
