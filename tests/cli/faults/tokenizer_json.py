# SPDX-License-Identifier: Apache-2.0
"""Bad tokenizer.json files and lists of added tokens, in a model directory and as --vocab."""
import copy
import json
import os

from faults.judge import Models
from faults.vocabulary import train_with

METASPACE = {'type': 'Metaspace', 'replacement': '\u2581', 'prepend_scheme': 'always', 'split': True}
FILE = {
    'version': '1.0', 'added_tokens': [], 'normalizer': None,
    'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [{'type': 'WhitespaceSplit'}, METASPACE]},
    'post_processor': {
        'type': 'TemplateProcessing',
        'single': [{'Sequence': {'id': 'A', 'type_id': 0}}, {'SpecialToken': {'id': '</s>', 'type_id': 0}}],
        'special_tokens': {'</s>': {'id': '</s>', 'ids': [1], 'tokens': ['</s>']}}},
    'decoder': METASPACE,
    'model': {'type': 'Unigram', 'unk_id': 2, 'byte_fallback': False,
              'vocab': [['<pad>', 0], ['</s>', 0], ['<unk>', 0], ['\u2581', -1], ['a', -2], ['b', -3]]}}
SMALL = json.dumps(FILE).encode()


def changed(path, value):
    """The file with another value at a path: 'model/vocab/3'."""
    file = copy.deepcopy(FILE)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split('/')]
    inside = file
    for key in parents:
        inside = inside[key]
    if isinstance(inside, list) and last == len(inside):
        inside.append(value)
    else:
        inside[last] = value
    return json.dumps(file).encode()


def token(**members):
    return changed('added_tokens', [{'id': 6, 'content': '<x>', **members}])


DAMAGED = [
    ('cut', SMALL[:-1], 'tokenizer.json:1:'),
    ('a brace', b'{', 'tokenizer.json:1:'),
    ('no model', b'{}', 'model: null, expected an object'),
    ('deep', b'{"a":' + b'[' * 100_000, 'nested deeper'),
    ('many values', b'{"a":[' + b'0,' * 2_100_000 + b'0]}', 'more than 2000000 values'),
    ('a key twice', b'{"model":1,"model":1}', 'twice'),
    ('another model', changed('model/type', 'BPE'), 'type: "BPE", expected "Unigram"'),
    ('an id without piece', changed('model/unk_id', 6), 'unk_id: 6, expected one below 6'),
    ('no unknown piece', changed('model/unk_id', None), 'unk_id: none'),
    ('a piece without score', changed('model/vocab/6', ['c']), 'vocab: piece 6'),
    ('a piece twice', changed('model/vocab/6', ['a', -1]), 'piece 6 (a) occurs twice'),
    ('a piece of 1,025 bytes', changed('model/vocab/6', ['x' * 1025, -1]), '1025 bytes'),
    ('an endless score', SMALL.replace(b'-3', b'-1e999'), ''),
    ('bytes', changed('model/byte_fallback', True), 'byte_fallback: true, expected false'),
    ('another normalizer', changed('normalizer', {'type': 'Lowercase'}), 'normalizer: type: "Lowercase"'),
    ('damaged rules', changed('normalizer', {'type': 'Precompiled', 'precompiled_charsmap': 'AAAA'}), 'charsmap: truncated'),
    ('rules that are not Base64', changed('normalizer', {'type': 'Precompiled', 'precompiled_charsmap': '\x1b[31m'}),
     'not Base64'),
    ('another pre-tokenizer', changed('pre_tokenizer', {'type': '\x1b[31m'}), 'pre_tokenizer: type: "\\x1B[31m"'),
    ('no end of sentence', changed('post_processor', None), 'post_processor: null'),
    ('another decoder', changed('decoder', {'type': 'BPEDecoder'}), 'decoder: type: "BPEDecoder"'),
    ('a token of id -1', token(id=-1), 'added_tokens: id -1'),
    ('a token of id 2^40', token(id=2**40), f'added_tokens: id {2**40}'),
    ('a token of an id in use', token(id=3), 'id 3, expected at least 6'),
    ('an empty token', token(content=''), 'is empty'),
    ('a whole word', token(single_word=True), 'single_word: true, expected false'),
    ('a token far beyond the model', token(id=2**31 - 2), f'{2**31 - 1:,} pieces, expected at most'),
]


def set_file(name, content):
    def spoil(directory):
        with open(os.path.join(directory, name), 'wb') as file:
            file.write(content)
    return spoil


def run(judge):
    models = Models(judge)
    for case, content, word in DAMAGED:
        models.refused(case, 3, ['tokenizer.json', word], set_file('tokenizer.json', content))
        if 'far beyond' in case:
            continue
        set_file('tokenizer.json', content)('.')
        train_with(judge, '--vocab: ' + case, 3, ['tokenizer.json', word], 'tokenizer.json')
    for name, content, word in [
            ('tokenizer_config.json', {'added_tokens_decoder': {'x': {'content': '<x>'}}}, '"x", expected an id'),
            ('tokenizer_config.json', {'added_tokens_decoder': {'0': {'content': '<x>'}}}, 'expected the added token <x>'),
            ('tokenizer_config.json', {'extra_ids': 1e9}, 'extra_ids'),
            ('tokenizer_config.json', {'legacy': 'no'}, 'legacy'),
            ('tokenizer_config.json', {'added_tokens_decoder': {'9999': {'content': '<x>'}}}, 'expected at most'),
            ('tokenizer_config.json', [], 'JSON array, expected an object')]:
        models.refused(f'{name}: {content}', 3, [word], set_file(name, json.dumps(content).encode()))

    # The smallest file works, and so does --vocab with it: the model saves it and resumes with it.
    directory = models.spoiled(set_file('tokenizer.json', SMALL))
    out = judge.works('a small tokenizer.json', models.command(directory), stdin=b'a b\n\n</s> <pad>\n')
    judge.check('a small tokenizer.json', out.count(b'\n') == 3, f'{out}')
    with open('pairs', 'w') as file:
        file.write('a b\nb a\n' * 20)
    set_file('tokenizer.json', SMALL)('.')
    command = [judge.tools.train, '-q', '-t', 'pairs', 'pairs', '-m', 'json-run', '--preset', 'tiny', '--threads', '1',
               '--vocab', 'tokenizer.json']
    judge.works('a run', command + ['--after', '1u'])
    judge.works('resumed with --vocab', command + ['--after', '2u'])
    judge.works('resumed without', command[:-2] + ['--after', '3u'])
    with open('json-run/tokenizer.json', 'rb') as file:
        judge.check('saved', file.read() == SMALL, 'json-run/tokenizer.json differs')
    # Sentinels must be in the model.
    judge.refused('no sentinels', 2, ['sentinels: the model\'s vocabulary has no <extra_id_0>'],
                  models.command('good') + ['--sentinels'], stdin=b'a\n')
