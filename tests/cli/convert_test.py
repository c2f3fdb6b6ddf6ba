# SPDX-License-Identifier: Apache-2.0
"""switch-convert -o: the same model in other files, nothing half-written, little memory.
usage: convert_test.py MAKE_MODEL SWITCH_CONVERT SWITCH_TRANSLATE
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from faults.judge import run, state_of
from faults.pytorch import as_pytorch
from faults.tensors import NAME, tensors_of

MAKE_MODEL, CONVERT, TRANSLATE = (os.path.abspath(path) for path in sys.argv[1:4])
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, 'model')
TEXT = b'abc d efg\nhij k\nlmno p qrs tu v wxyz\n'


def translate(model):
    done = run([TRANSLATE, '-q', '-m', model, '--max-output-length', '12'], TEXT)
    assert done.code == 0, done.err
    return done.out


def contents(directory):
    found = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), 'rb') as file:
            found[name] = file.read()
    return found


def write_large_model(directory):
    """A model of 280 MB whose weights are zero: a file with a hole."""
    shutil.copytree(MODEL, directory)
    sizes = {16: 1024, 32: 4096}  # d_model and num_heads * d_kv; d_ff
    header, end = {}, 0
    for name, (dtype, shape, _) in tensors_of(os.path.join(MODEL, NAME)).items():
        if 'relative' not in name:
            shape = [sizes.get(extent, extent) for extent in shape]
        elements = 1
        for extent in shape:
            elements *= extent
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [end, end + 4 * elements]}
        end += 4 * elements
    text = json.dumps(header).encode()
    with open(os.path.join(directory, NAME), 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text)
        file.truncate(8 + len(text) + end)
    path = os.path.join(directory, 'config.json')
    with open(path) as file:
        config = json.load(file)
    with open(path, 'w') as file:
        json.dump({**config, 'd_model': 1024, 'd_kv': 512, 'd_ff': 4096}, file)
    return end


class Converted(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=FOLDER.name)
        self.out = os.path.join(self.folder.name, 'out')

    def tearDown(self):
        self.folder.cleanup()

    def convert(self, *args, model=MODEL, code=0):
        done = run([CONVERT, model, '-o', self.out, *args])
        self.assertEqual(done.code, code, done.err)
        self.assertEqual(os.listdir(self.folder.name), ['out'] if code == 0 else [], done.err)
        return done.err

    def test_own_models_stay_as_they_are(self):
        self.assertIn('all identical', self.convert('--verify'))
        self.assertEqual(contents(self.out), contents(MODEL))

    def test_pytorch(self):
        model = os.path.join(FOLDER.name, 'pytorch')
        shutil.copytree(MODEL, model)
        as_pytorch()(model)
        self.assertFalse(os.path.exists(os.path.join(model, NAME)))
        self.convert(model=model)
        self.assertEqual(contents(self.out), contents(MODEL))

    def test_types_and_shards(self):
        for dtype, stored in (('bfloat16', 'BF16'), ('float16', 'F16'), ('float32', 'F32')):
            err = self.convert('--dtype', dtype, '--max-shard-size', '10KB', '--verify')
            self.assertIn('all identical' if dtype == 'float32' else 'at most 0.125 is allowed', err)
            files = contents(self.out)
            shards = sorted(name for name in files if name.endswith('.safetensors'))
            self.assertGreater(len(shards), 1)
            self.assertEqual(shards[-1], f'model-{len(shards):05}-of-{len(shards):05}.safetensors')
            for shard in shards:
                for name, (found, _, _) in tensors_of(os.path.join(self.out, shard)).items():
                    self.assertEqual(found, 'F32' if '.router.' in name else stored)
            self.assertEqual(json.loads(files['config.json'])['dtype'], dtype)
            self.assertEqual(translate(self.out).count(b'\n'), 3)
            if dtype == 'float32':
                self.assertEqual(translate(self.out), translate(MODEL))
            shutil.rmtree(self.out)

    def test_convert_and_prepare(self):
        self.convert('--dtype', 'bfloat16', '--prepare', '--compute-type', 'float32', '--verify')
        self.assertIn('prepared-float32.bin', os.listdir(self.out))
        self.assertEqual(run([CONVERT, self.out, '--verify']).code, 0)

    def test_info(self):
        done = run([CONVERT, MODEL, '--info'])
        self.assertEqual(done.code, 0, done.err)
        lines = dict(line.split(None, 1) for line in done.out.decode().splitlines())
        self.assertRegex(lines['model'], '^switch_transformers, 2 [+] 2 layers, d_model 16, d_ff 32, '
                                         '2 heads of 8, vocabulary [0-9]+$')
        self.assertEqual(lines['sparse'], 'encoder 1 of 2 layers; decoder 1 of 2 layers; 4 experts')
        self.assertEqual(lines['head'], 'tied, scaled')
        everything = sum(len(values) // 4 for _, _, values in tensors_of(os.path.join(MODEL, NAME)).values())
        active = everything - 2 * 3 * 2 * 16 * 32  # 3 idle experts in 2 layers
        self.assertEqual(lines['parameters'], f'{everything:,} in all, {active:,} active per token')
        self.assertRegex(lines['tensors'], '^[0-9]+ of F32$')
        self.assertEqual(lines['file'], f'{NAME}, {os.path.getsize(os.path.join(MODEL, NAME)):,} bytes')

    def test_nothing_is_touched(self):
        before = state_of(FOLDER.name)
        for out in (MODEL, FOLDER.name, os.path.join(MODEL, NAME)):
            done = run([CONVERT, MODEL, '-o', out])
            self.assertEqual(done.code, 2)
            self.assertIn('already exists, expected a new directory', done.err)
        done = run([CONVERT, MODEL, '-o', os.path.join(FOLDER.name, 'no', 'out')])
        self.assertEqual(done.code, 1, done.err)
        self.assertIn('cannot write the directory', done.err)
        self.assertEqual(state_of(FOLDER.name), before)

    def test_memory(self):
        model = os.path.join(FOLDER.name, 'large')
        size = write_large_model(model)
        done = run([CONVERT, model, '-o', self.out, '--max-shard-size', '100MB'])
        self.assertEqual(done.code, 0, done.err)
        self.assertLess(done.memory_bytes, size // 2)
        self.assertLess(done.memory_bytes, (200 << 20) + 2 * (16 << 20))  # 2 of the largest tensor
        shutil.rmtree(model)

    def test_stopped(self):
        model = os.path.join(FOLDER.name, 'stopped')
        write_large_model(model)
        for sent, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
            with subprocess.Popen([CONVERT, model, '-o', self.out], stderr=subprocess.PIPE) as process:
                while process.poll() is None and not os.listdir(self.folder.name):
                    time.sleep(0.001)
                process.send_signal(sent)
                _, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, code, err)
            left = os.listdir(self.folder.name)
            self.assertEqual(len(left), 1 if sent == signal.SIGKILL else 0, left)
        self.assertRegex(left[0], '^out[.]tmp-')
        for args in (['--info'], ['-o', self.out], ['--prepare']):
            done = run([CONVERT, os.path.join(self.folder.name, left[0]), *args])
            self.assertEqual(done.code, 3, done.err)
            self.assertIn('incomplete', done.err)
        shutil.rmtree(model)

    def test_options(self):
        for args, message in ((['--dtype', 'int8', '-o', self.out], "--dtype: found 'int8'"),
                              (['--dtype', 'float16', '--info'], '--dtype: has no effect here: it is for --output'),
                              (['--info', '--max-shard-size', '1GB'], 'it is for --output'),
                              *((['-o', self.out, '--max-shard-size', size], f"--max-shard-size: '{size}'")
                                for size in ('0', '5gb', '-1', '1e9', '', '99999999999GB', '5 GB'))):
            done = run([CONVERT, MODEL, *args])
            self.assertEqual(done.code, 2, done.err)
            self.assertIn(message, done.err)
        self.assertEqual(os.listdir(self.folder.name), [])


subprocess.run([MAKE_MODEL, MODEL], check=True)
unittest.main(argv=sys.argv[:1])
