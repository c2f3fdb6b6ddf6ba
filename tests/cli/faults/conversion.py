# SPDX-License-Identifier: Apache-2.0
"""Bad models for switch-convert: what the other suites damage is refused, and nothing is written. A
config.json that the weights contradict is corrected instead.
"""
import glob
import os
import shutil

from faults import pytorch_weights, shards, weights
from faults.config import IDS, not_json, set_fields
from faults.judge import Models
from faults.tensors import NAME, change_tensors


class Conversions(Models):
    def convert(self, directory):
        for path in glob.glob('converted*'):
            shutil.rmtree(path)
        return [self.judge.tools.convert, directory, '-o', 'converted', '--threads', '1']

    def refused(self, case, code, words, spoil):
        if case == 'another shape':  # config.json is corrected, and other tensors do not fit
            words = [NAME, 'shape', 'expected']
        directory = self.spoiled(spoil)
        self.judge.refused(case, code, words, self.convert(directory), inputs=[directory])
        self.judge.check(case, not glob.glob('converted*'), 'something was written')

    def same(self, case, spoil, words=()):
        """Expects a model that, once converted, translates like the good one."""
        self.judge.works(case, self.convert(self.spoiled(spoil)), words)
        out = self.judge.works(case, self.command('converted'), stdin=self.TEXT)
        self.judge.check(case, out == self.expected, f'another translation: {out[:200]}')


def corrections(models):
    for field, value in [('vocab_size', 300), ('d_model', 32), ('d_kv', 10**9), ('num_heads', 0),
                         ('d_ff', '32'), ('num_layers', 1), ('num_layers', 2**63), ('num_decoder_layers', -1),
                         ('num_experts', 65536), ('num_experts', 1e30), ('router_bias', True),
                         ('relative_attention_num_buckets', 8), ('encoder_sparse_step', -1),
                         ('model_type', 't5')]:
        word = 'sparse layers of the ' if 'sparse' in field else f'corrected {field}: '
        models.same(f'{field} {value}', set_fields('config.json', switchyard={}, **{field: value}),
                    [word, 'but the tensors say'])
    for field in IDS:
        for value in [-1, 10**9, 0.5, '0']:
            for name in ('config.json', 'generation_config.json'):
                models.refused(f'{name}: {field} {value}', 3, [f'{name}: {field}: '],
                               set_fields(name, **{field: value}))
    for field, value in [('layer_norm_epsilon', -1), ('dropout_rate', 1), ('router_dtype', 'int8'),
                         ('dense_act_fn', 'tanh\x1b[31m'), ('relative_attention_max_distance', 0),
                         ('tie_word_embeddings', None), ('is_encoder_decoder', False)]:
        models.refused(f'{field} {value}', 3, [f'config.json: {field}: '],
                       set_fields('config.json', **{field: value}))
    models.refused('two names, two values', 3, ['config.json: d_model: 16, but hidden_size says 32'],
                   set_fields('config.json', hidden_size=32))


def tensors(models):
    for case, name in [('no router', weights.ROUTER), ('no norm', weights.NORM), ('no embedding', weights.SHARED)]:
        models.refused(case, 3, [NAME, name], change_tensors(lambda held: held.pop(name) and None))
    models.refused('block 10^6', 3, [NAME, 'block 1000000'], change_tensors(
        lambda held: held.update({'encoder.block.1000000.x': held[weights.NORM]})))
    models.same('a tensor too many', change_tensors(
        lambda held: held.update({'position_ids': ('I64', [1], bytes(8))})),
        ['1 tensor is not used; the first is position_ids'])


def run(judge):
    models = Conversions(judge)
    models.refused('no config.json', 3, ['spoiled', 'config.json'],
                   lambda directory: os.remove(os.path.join(directory, 'config.json')))
    not_json(models)
    corrections(models)
    tensors(models)
    weights.damaged_files(models)
    weights.no_files(models)
    weights.hostile_headers(models)
    weights.flipped_bits(models)
    shards.check(models)
    pytorch_weights.archives(models)
    pytorch_weights.pickles(models)
    pytorch_weights.storages(models)
    pytorch_weights.shards(models)
