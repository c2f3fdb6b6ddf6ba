# SPDX-License-Identifier: Apache-2.0
"""Bad config.json and generation_config.json: invalid JSON, values out of range, contradictions."""
import json
import os

from faults.judge import Models

SIZES = ['vocab_size', 'd_model', 'd_kv', 'd_ff', 'num_heads', 'num_layers', 'num_decoder_layers',
         'num_experts', 'expert_capacity', 'relative_attention_num_buckets',
         'relative_attention_max_distance']
IDS = ['pad_token_id', 'eos_token_id', 'decoder_start_token_id']


def set_text(name, text):
    def spoil(directory):
        with open(os.path.join(directory, name), 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())
    return spoil


def set_fields(name, **fields):
    def spoil(directory):
        path = os.path.join(directory, name)
        with open(path) as file:
            values = json.load(file)
        with open(path, 'w') as file:
            json.dump({**values, **fields}, file)
    return spoil


def not_json(models):
    with open('good/config.json') as file:
        good = file.read()
    for name in ('config.json', 'generation_config.json'):
        for case, text, word in [
                ('empty', '', ':1:1: '),
                ('cut', good[:len(good) // 2], name + ':'),
                ('array', '[]', 'JSON array, expected an object'),
                ('number', '5', 'expected an object'),
                ('comment', '{\n  // d_model\n}', ':2:3: '),
                ('trailing text', good.strip() + ' x', name + ':'),
                ('NUL', b'{}\0', ':1:3: a NUL byte'),
                ('UTF-16', good.encode('utf-16'), 'UTF-16'),
                ('not UTF-8', b'{"a": "\xff"}', ':1:'),
                ('NaN', '{"d_model": NaN}', ':1:13: '),
                ('overflow', '{"d_model": 1e999}', 'number overflow'),
                ('key twice', '{"d_model": 1, "d_model": 2}', '"d_model" twice'),
                ('escape codes in a key', '{"\x1b[31m": 1}', name + ':1:'),
                ('nested arrays', '[' * 100_000, 'nested deeper than'),
                ('nested more', '{"a":' + '[' * 1_000_000, 'nested deeper than'),
                ('HTML', '<!DOCTYPE html><html>', 'an HTML page'),
                ('LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', 'Git LFS')]:
            models.refused(f'{name}: {case}', 3, [name, word], set_text(name, text))


def bad_values(models):
    beyond_32_bits = {'vocab_size': 200, 'd_model': 16, 'd_kv': 8, 'num_experts': 4}
    for field in SIZES:
        for value in [0, -1, 10**9, 2**63, 1e30, 32.5, '32', None, True, [32],
                      2**32 + beyond_32_bits.get(field, 2)]:
            # Only these fields may be null or large.
            if field == 'num_decoder_layers' and value is None:
                continue
            if field == 'expert_capacity' and value == 10**9:
                continue
            models.refused(f'{field} {value}', 3, [f'config.json: {field}: '],
                           set_fields('config.json', **{field: value}))
    for field in IDS:
        for value in [-1, 10**9, 2**63, 0.5, '0']:
            for name in ('config.json', 'generation_config.json'):
                models.refused(f'{name}: {field} {value}', 3, [f'{name}: {field}: '],
                               set_fields(name, **{field: value}))
    for field, value in [('layer_norm_epsilon', -1), ('layer_norm_epsilon', '1e-6'),
                         ('dropout_rate', 1), ('dropout_rate', 1e300), ('router_bias', 1),
                         ('router_dtype', 'int8'), ('dense_act_fn', 'tanh\x1b[31m'),
                         ('model_type', 'bart'), ('model_type', 5), ('tie_word_embeddings', None),
                         ('num_sparse_encoder_layers', 10**9), ('encoder_sparse_step', -1),
                         ('is_encoder_decoder', False), ('switchyard', 1)]:
        models.refused(f'{field} {value}', 3, [f'config.json: {field}: '],
                       set_fields('config.json', **{field: value}))
    for field, value in [('num_beams', 0), ('num_beams', 1025), ('max_length', 1),
                         ('max_new_tokens', -1), ('max_new_tokens', 2**20 + 1),
                         ('early_stopping', 'maybe'), ('length_penalty', 'x'),
                         ('num_return_sequences', 0), ('min_length', -1), ('min_new_tokens', 10**9),
                         ('repetition_penalty', 0), ('repetition_penalty', 1e300),
                         ('encoder_repetition_penalty', -1), ('no_repeat_ngram_size', -1),
                         ('no_repeat_ngram_size', 2.5), ('encoder_no_repeat_ngram_size', '3'),
                         ('bad_words_ids', 5), ('bad_words_ids', [5]), ('bad_words_ids', [[]]),
                         ('bad_words_ids', [[5], [10**6]]), ('bad_words_ids', [['x\x1b[31m']]),
                         ('suppress_tokens', [-1]), ('suppress_tokens', [2**64]),
                         ('suppress_tokens', {'a': 1}), ('begin_suppress_tokens', [0.5]),
                         ('forced_bos_token_id', 10**6), ('forced_bos_token_id', [5]),
                         ('forced_eos_token_id', [1, 10**6]), ('eos_token_id', []),
                         ('eos_token_id', [1, -5]), ('do_sample', 1), ('temperature', 0),
                         ('temperature', -1), ('top_k', -1), ('top_k', 2**63), ('top_p', 1.1)]:
        models.refused(f'{field} {value}', 3, [f'generation_config.json: {field}: '],
                       set_fields('generation_config.json', **{field: value}))


def contradictions(models):
    """Contradictions to the weights: the error names a tensor and both shapes or numbers."""
    for field, value, words in [
            ('vocab_size', 300, ['shared.weight', 'expected [300, 16]']),
            ('d_model', 32, ['shape', 'expected']),
            ('num_heads', 4, ['tensor', 'shape', 'expected']),
            ('d_ff', 64, ['tensor', 'shape', 'expected [64, 16]']),
            ('num_layers', 1, ['tensor', 'block 1 of the encoder', 'says 1 layer']),
            ('num_layers', 3, ['missing', 'encoder.block.2.']),
            ('num_decoder_layers', 1, ['block 1 of the decoder']),
            ('num_experts', 2, ['expert 2', 'num_experts 2']),
            ('num_experts', 8, ['router', 'shape [4, 16], expected [8, 16]']),
            ('num_experts', 65536, ['num_experts 65536 in 2 sparse layers']),
            ('encoder_sparse_step', 1, ['dense', 'sparse']),
            ('model_type', 't5', ['router', 't5']),
            ('tie_word_embeddings', False, ['no tensor lm_head.weight', 'tie_word_embeddings false']),
            ('router_bias', True, ['missing', 'router.classifier.bias'])]:
        fields = {field: value}
        if field == 'num_layers' and value == 3:
            fields['encoder_sparse_step'] = 2
        models.refused(f'{field} {value} contradicts', 3, ['model.safetensors: ', *words],
                       set_fields('config.json', switchyard={}, **fields))


    models.refused('millions of experts', 3, ['num_experts 65536 in 1,024 sparse layers'], set_fields(
        'config.json', switchyard={}, num_layers=1024, num_decoder_layers=1024, encoder_sparse_step=2,
        decoder_sparse_step=2, num_experts=65536))


def run(judge):
    models = Models(judge)
    models.refused('no config.json', 3, ['spoiled', 'config.json'],
                   lambda directory: os.remove(os.path.join(directory, 'config.json')))
    not_json(models)
    bad_values(models)
    contradictions(models)
    models.same('unknown fields', set_fields('config.json', some_new_key={'a': 1}))
    models.same('settings of generate() that are not implemented', set_fields(
        'generation_config.json', typical_p=0.5, diversity_penalty=1.5),
        ['generation_config.json: not implemented and ignored: diversity_penalty, typical_p'])
    models.same('no generation_config.json',
                lambda directory: os.remove(os.path.join(directory, 'generation_config.json')))
