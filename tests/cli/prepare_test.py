# SPDX-License-Identifier: Apache-2.0
"""Prepared models: the same translations as without, and never a wrong one.
usage: prepare_test.py MAKE_MODEL SWITCH_CONVERT SWITCH_TRANSLATE
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from environments import CAPS, environment

MAKE_MODEL, CONVERT, TRANSLATE = (os.path.abspath(path) for path in sys.argv[1:4])
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, 'model')
TEXT = ''.join(f'abc d efg {word}\nhij k\n' for word in 'lmno p qrs tu v wxyz'.split()).encode()
TYPES = ('float32', 'bfloat16', 'int8')


def run(*args, text=None, **kwargs):
    """Exit code, stdout, stderr."""
    done = subprocess.run(args, input=text, capture_output=True, timeout=120, **kwargs)
    return done.returncode, done.stdout, done.stderr.decode()


def translate(model, *args, **kwargs):
    return run(TRANSLATE, '-m', model, '--max-output-length', '12', *args, text=TEXT, **kwargs)


class Prepared(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=FOLDER.name)
        self.model = os.path.join(self.folder.name, 'model')
        shutil.copytree(MODEL, self.model)

    def tearDown(self):
        self.folder.cleanup()

    def prepare(self, *args, **kwargs):
        code, _, err = run(CONVERT, self.model, '--prepare', *args, **kwargs)
        self.assertEqual(code, 0, err)
        return os.path.join(self.model, 'prepared-int8.bin')

    def test_same_translations_under_every_cap(self):
        for cap in [{}, *CAPS]:
            env = environment(cap)
            for name in TYPES:
                expected = translate(MODEL, '--compute-type', name, env=env)
                if expected[0] == 2:
                    continue  # no instructions for bfloat16
                self.assertEqual(expected[0], 0, expected[2])
                self.prepare('--compute-type', name, env=env)
                prepared = f'prepared-{name}.bin'
                code, out, err = translate(self.model, '--log-level', 'verbose', env=env)
                self.assertEqual((code, out), (0, expected[1]), (cap, name, err))
                self.assertIn(f'{name} (auto: {prepared})', err)
                self.assertIn(f'{prepared} is mapped', err)
                os.remove(os.path.join(self.model, prepared))

    def test_another_layout_is_packed_in_memory(self):
        self.prepare('--compute-type', 'float32')
        env = environment({'ONEDNN_MAX_CPU_ISA': 'SSE41'})
        expected = translate(MODEL, env=env)[1]
        code, out, err = translate(self.model, '--log-level', 'verbose', env=env)
        self.assertEqual((code, out), (0, expected))
        if 'is mapped' not in err:  # this machine has more than SSE4
            self.assertRegex(err, 'is not used: it has layout float32-[0-9]+, expected float32-8')

    def test_prepared_from_other_weights(self):
        path = self.prepare()
        # Copies of the weights are recognized by their content.
        weights = os.path.join(self.model, 'model.safetensors')
        os.utime(weights)
        self.assertIn('is mapped', translate(self.model, '--log-level', 'verbose')[2])
        with open(weights, 'r+b') as file:
            file.seek(-2, os.SEEK_END)
            file.write(b'\x00')
        _, expected, _ = translate(self.model, '--compute-type', 'float32')
        code, out, err = translate(self.model)
        self.assertEqual(code, 0)
        self.assertIn(f'{path} is not used: it is stale: model.safetensors has other content', err)
        os.remove(path)
        self.assertEqual(out, translate(self.model, '--compute-type', 'int8')[1])

    def test_damaged_files(self):
        path = self.prepare()
        with open(path, 'rb') as file:
            good = file.read()
        for damaged, message in ((good[:-1], 'the file is truncated'), (b'', '0 bytes, expected'),
                                 (b'x' * 9000, 'not a prepared file'),
                                 (good[:100] + b'~' + good[101:], 'the header has checksum')):
            with open(path, 'wb') as file:
                file.write(damaged)
            code, out, err = translate(self.model)
            self.assertEqual((code, out), (3, b''))
            self.assertIn(f'{path}: ', err)
            self.assertIn(message, err)
            # Other types do not need it.
            self.assertEqual(translate(self.model, '--compute-type', 'float32')[0], 0)

    def test_verify(self):
        path = self.prepare()
        code, out, _ = run(CONVERT, self.model, '--verify')
        self.assertEqual(code, 0)
        self.assertIn(b'prepared-int8.bin: good, layout float32-', out)
        with open(path, 'r+b') as file:
            file.seek(-70, os.SEEK_END)
            byte = file.read(1)
            file.seek(-70, os.SEEK_END)
            file.write(bytes([byte[0] ^ 1]))
        code, _, err = run(CONVERT, self.model, '--verify')
        self.assertEqual(code, 3)
        self.assertIn('do not have the checksum of the header', err)

    def while_running(self, change):
        """Translates a line, calls change(), and gives it another one."""
        process = subprocess.Popen([TRANSLATE, '-m', self.model, '-q', '--max-output-length', '12'],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdin.write(b'abc d efg\n')
        process.stdin.flush()
        first = process.stdout.readline()
        change()
        out, err = process.communicate(b'abc d efg\n', timeout=120)
        return process.returncode, first, out, err.decode()

    def test_written_to_while_in_use(self):
        path = self.prepare()

        def write():
            with open(path, 'r+b') as file:
                file.seek(-70, os.SEEK_END)
                file.write(b'xxxx')
        code, first, out, err = self.while_running(write)
        self.assertEqual((code, out), (3, b''), err)
        self.assertNotEqual(first, b'')
        self.assertIn(f'{path}: changed while in use', err)

    def test_truncated_while_in_use(self):
        path = self.prepare()
        for size in (0, 4096, os.path.getsize(path) - 1):
            self.prepare()
            code, first, out, err = self.while_running(lambda: os.truncate(path, size))
            self.assertIn(code, (1, 3), err)
            self.assertEqual(out, b'')
            self.assertNotEqual(first, b'')
            self.assertIn(f'switch-translate: error: {path}: changed while in use', err)

    def test_replaced_while_in_use(self):
        self.prepare()
        for change in (self.prepare, lambda: shutil.rmtree(self.model)):
            code, first, out, err = self.while_running(change)
            self.assertEqual((code, out), (0, first), err)

    def test_copy_into_another_directory(self):
        other = os.path.join(self.folder.name, 'other')
        before = sorted(os.listdir(self.model))
        self.prepare('-o', other)
        self.assertEqual(sorted(os.listdir(self.model)), before)
        self.assertEqual(sorted(os.listdir(other)), sorted([*before, 'prepared-int8.bin']))
        expected = translate(self.model, '--compute-type', 'int8')[1]
        code, out, err = translate(other, '--log-level', 'verbose')
        self.assertEqual((code, out), (0, expected))
        self.assertIn('is mapped', err)
        code, _, err = run(CONVERT, self.model, '--prepare', '-o', other)
        self.assertEqual(code, 2)
        self.assertIn('already exists', err)

    def test_a_failed_write_leaves_everything_as_it_was(self):
        path = self.prepare()
        with open(path, 'rb') as file:
            good = file.read()
        before = sorted(os.listdir(self.model))

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        code, _, err = run(CONVERT, self.model, '--prepare', preexec_fn=limit)
        self.assertEqual(code, 1)
        self.assertIn('prepared-int8.bin: write error after 20000 bytes', err)
        other = os.path.join(self.folder.name, 'other')
        self.assertEqual(run(CONVERT, self.model, '--prepare', '-o', other, preexec_fn=limit)[0], 1)
        self.assertEqual(os.listdir(self.folder.name), ['model'])
        self.assertEqual(sorted(os.listdir(self.model)), before)
        with open(path, 'rb') as file:
            self.assertEqual(file.read(), good)

    def test_translation_writes_nothing(self):
        self.prepare()
        for name in os.listdir(self.model):
            os.chmod(os.path.join(self.model, name), 0o444)
        os.chmod(self.model, 0o555)

        def state():
            return [(name, os.stat(os.path.join(self.model, name)).st_mtime_ns)
                    for name in ['.', *sorted(os.listdir(self.model))]]
        before = state()
        self.assertEqual(translate(self.model)[0], 0)
        self.assertEqual(translate(self.model, '--compute-type', 'float32')[0], 0)
        self.assertEqual(state(), before)
        os.chmod(self.model, 0o755)

    def test_usage(self):
        for args, code, message in (
                ([], 2, '--model: missing'), ([self.model], 2, 'expected --output, --info, --prepare or --verify'),
                ([self.model, '--verify'], 3, 'no prepared file'),
                ([self.model, '--verify', '--compute-type', 'int8'], 2, 'it is for --prepare'),
                (['nowhere', '--prepare'], 1, 'nowhere: no such directory'),
                ([self.model, '--prepare', '--compute-type', 'float16'], 2, 'float16')):
            found, _, err = run(CONVERT, *args)
            self.assertEqual(found, code, err)
            self.assertIn(message, err)


subprocess.run([MAKE_MODEL, MODEL], check=True)
unittest.main(argv=sys.argv[:1])
