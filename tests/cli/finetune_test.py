# SPDX-License-Identifier: Apache-2.0
"""switch-train --pretrained-model: fine-tuning a model directory.
usage: finetune_test.py SWITCH_TRAIN MAKE_MODEL
"""
import json
import os
import shutil
import struct
import sys
import tempfile
import unittest

from train_runs import TRAIN, bytes_of, make_corpus, run

MAKE_MODEL = os.path.abspath(sys.argv[2])


def tensors(directory):
    """The bytes of each tensor of a model."""
    data = bytes_of(directory, 'model.safetensors')
    size, = struct.unpack_from('<Q', data)
    header = json.loads(data[8:8 + size])
    header.pop('__metadata__', None)
    return {name: data[8 + size:][slice(*tensor['data_offsets'])]
            for name, tensor in header.items()}


def config(directory):
    with open(os.path.join(directory, 'config.json')) as file:
        return json.load(file)


def tune(model, *more, updates='8u', pretrained='base', rate='1e-2'):
    return run(TRAIN, '--train-sets', 'a.src', 'a.tgt', '--model', model, '--pretrained-model',
               pretrained, '--after', updates, '--threads', '1', '--valid-freq', '4u',
               '--mini-batch-words', '256', '--lr-warmup', '2', '--learn-rate', rate, *more)


class FinetuneTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_corpus(60, 'a')
        # As in T5, there are more ids than pieces.
        assert run(MAKE_MODEL, 'base', '8').returncode == 0

    def setUp(self):
        for name in 'new', 'parts', 'gone':
            shutil.rmtree(name, ignore_errors=True)

    def tuned(self, *args, **settings):
        done = tune(*args, **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, *args, **settings):
        done = tune(*args, **settings)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists('new'), 'a refused run leaves no directory')
        return done.stderr

    def test_starts_from_the_weights(self):
        self.tuned('new', updates='1u', rate='0')
        self.assertEqual(tensors('new'), tensors('base'))
        for field in 'vocab_size', 'd_model', 'num_experts', 'encoder_sparse_step', 'eos_token_id':
            self.assertEqual(config('new')[field], config('base')[field])
        self.assertEqual(bytes_of('new', 'spiece.model'), bytes_of('base', 'spiece.model'))

    def test_training_settings_are_the_run_s(self):
        self.tuned('new', '--dropout', '0.25', '--router-z-loss-coef', '0.5', updates='1u')
        self.assertEqual(config('new')['dropout_rate'], 0.25)
        self.assertEqual(config('new')['router_z_loss_coef'], 0.5)

    def test_resumes_without_the_pretrained_model(self):
        shutil.copytree('base', 'gone')
        self.tuned('new', pretrained='gone')
        self.tuned('parts', updates='4u', pretrained='gone')
        shutil.rmtree('gone')
        self.assertIn('resuming from checkpoint-4', self.tuned('parts', pretrained='gone').stderr)
        self.assertNotEqual(tensors('new'), tensors('base'))
        for name in 'model.safetensors', 'optimizer.safetensors', 'config.json':
            self.assertEqual(bytes_of('parts', 'last', name), bytes_of('new', 'last', name))
        dry = tune('parts', '--dry-run', updates='9u', pretrained='gone')
        self.assertEqual(dry.returncode, 0, dry.stderr)
        self.assertIn('1 more update', dry.stdout)

    def test_dry_run(self):
        done = tune('new', '--dry-run')
        self.assertEqual(done.returncode, 0, done.stderr)
        pieces = config('base')['vocab_size']
        self.assertIn(f'vocabulary  {pieces} pieces', done.stdout)
        self.assertFalse(os.path.exists('new'))

    def test_a_run_keeps_its_pretrained_model(self):
        self.tuned('new', updates='4u')
        done = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'new', '-c', 'new/training_args.yml')
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'new')
        self.assertEqual(done.returncode, 2)
        self.assertIn('--pretrained-model: was ' + os.path.abspath('base') + ', now not given',
                      done.stderr)

    def test_what_the_model_determines_is_refused(self):
        for option, value in {'d-model': '64', 'num-experts': '4', 'preset': 'tiny',
                              'vocab-size': '99', 'init': 'hf', 'num-layers': '2'}.items():
            self.assertIn(f'--{option}: has no effect here: --pretrained-model determines it',
                          self.refused('new', '--' + option, value))
        self.assertIn('--vocab: has no effect here',
                      self.refused('new', '--vocab', 'base/spiece.model'))

    def test_bad_models(self):
        self.assertIn('nowhere', self.refused('new', pretrained='nowhere'))
        shutil.copytree('base', 'gone')
        os.remove('gone/spiece.model')
        self.assertIn('gone/spiece.model: cannot open', self.refused('new', pretrained='gone'))
        os.remove('gone/config.json')
        self.assertIn('gone: no config.json', self.refused('new', pretrained='gone'))

    def test_the_model_is_not_overwritten(self):
        before = tensors('base')
        for model, pretrained in ('base', 'base'), ('.', 'base'), ('base/../base', './base/'):
            error = self.refused(model, '--overwrite', pretrained=pretrained)
            self.assertIn('expected another directory', error)
        self.assertEqual(tensors('base'), before)

    def check_frozen(self, frozen, *more):
        self.tuned('new', *more)
        before, after = tensors('base'), tensors('new')
        for name in before:
            check = self.assertEqual if frozen(name) else self.assertNotEqual
            check(before[name], after[name], name)

    def test_frozen_tensors_keep_their_bits(self):
        decay = ['--optimizer-params', '0.9', '0.98', '1e-9', '0.1', '--exponential-smoothing', '0.1']
        self.check_frozen(lambda name: name.startswith('encoder.') or '.router.' in name,
                          '--freeze', 'encoder.*', '*.mlp.router.*', *decay)

    def test_frozen_tensors_of_adafactor(self):
        self.check_frozen(lambda name: name == 'shared.weight' or name.startswith('decoder.block.1.'),
                          '--optimizer', 'adafactor', '--freeze', 'shared.weight',
                          'decoder.block.1.*', '--exponential-smoothing', '0.1')

    def test_frozen_tensors_with_two_workers(self):
        done = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'new', '--pretrained-model', 'base',
                   '--after', '4u', '--threads', '2', '--workers', '2', '--freeze', 'decoder.*')
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, value in tensors('new').items():
            if name.startswith('decoder.'):
                self.assertEqual(value, tensors('base')[name], name)

    def test_frozen_tensors_do_not_count_in_the_gradient_norm(self):
        norms = []
        for freeze in [], ['--freeze', 'shared.weight']:
            shutil.rmtree('new', ignore_errors=True)
            self.tuned('new', *freeze, updates='1u')
            with open('new/metrics.jsonl') as file:
                norms.append(json.loads(file.readline())['gnorm'])
        self.assertLess(norms[1], norms[0])

    def test_frozen_tensors_of_a_resumed_run(self):
        freeze = ['--freeze', 'encoder.*']
        self.tuned('new', *freeze)
        self.tuned('parts', *freeze, updates='4u')
        for other, now in ([], 'not given'), (['--freeze', 'decoder.*'], '[decoder.*]'):
            done = tune('parts', *other)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f'--freeze: was [encoder.*], now {now}', done.stderr)
        self.tuned('parts', *freeze)
        for name in 'model.safetensors', 'optimizer.safetensors':
            self.assertEqual(bytes_of('parts', 'last', name), bytes_of('new', 'last', name))

    def test_patterns_that_do_not_fit(self):
        self.assertIn('--freeze: encodr.* matches no tensor, expected the pattern of a name like '
                      'decoder.', self.refused('new', '--freeze', 'encoder.*', 'encodr.*'))
        self.assertIn('--freeze: matches all ', self.refused('new', '--freeze', '*'))

    def test_expert_dropout(self):
        self.tuned('new', '--dropout', '0.1', updates='2u')
        self.tuned('parts', '--dropout', '0.1', '--expert-dropout', '0.1', updates='2u')
        self.assertEqual(tensors('parts'), tensors('new'), 'the default is --dropout')
        shutil.rmtree('parts')
        self.tuned('parts', '--dropout', '0.1', '--expert-dropout', '0.4', updates='2u')
        self.assertNotEqual(tensors('parts'), tensors('new'))
        done = tune('parts', '--dropout', '0.1', '--expert-dropout', '0.3')
        self.assertEqual(done.returncode, 2)
        self.assertIn('--expert-dropout: was 0.4, now 0.3', done.stderr)

    def test_expert_dropout_without_experts(self):
        done = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'new', '--expert-dropout', '0.4',
                   '--num-sparse-encoder-layers', '0', '--num-sparse-decoder-layers', '0')
        self.assertEqual(done.returncode, 2)
        self.assertIn('--expert-dropout: has no effect here: no layer is sparse', done.stderr)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        result = unittest.main(argv=sys.argv[:1], exit=False).result
        os.chdir('/')
    sys.exit(not result.wasSuccessful())
