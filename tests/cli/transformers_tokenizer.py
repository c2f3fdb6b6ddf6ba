# SPDX-License-Identifier: Apache-2.0
"""Our ids and decoded texts are those of Hugging Face's T5Tokenizer on generated lines: with transformers 5 for
tokenizer.json, with transformers 4 for spiece.model.

usage: transformers_tokenizer.py TOKENIZE [LINES]

LINES per vocabulary is 20,000 by default. TOKENIZE is tests/text/tokenize.cpp's program. Runs under $SWITCHYARD_PYTHON
if that is set; exits with 77 (skipped) if transformers or sentencepiece is missing.
"""
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from peer_python import packages

with packages():
    import sentencepiece
    import transformers
    from transformers import AddedToken, T5Tokenizer
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden'))
from mixed_lines import ADDED, TRAINING, mixed_lines

TOKENIZE = os.path.abspath(sys.argv[1])
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
IS_5 = transformers.__version__.startswith('5.')
MT5 = {'byte_fallback': True, 'split_digits': True, 'remove_extra_whitespaces': False, 'vocab_size': 800,
       'user_defined_symbols': [f'\u2581<extra_id_{i}>' for i in range(99, -1, -1)]}
# Settings of SentencePiece's trainer, whether tokens are added, and arguments of T5Tokenizer.
CASES = [
    ({}, False, {}),
    ({}, True, {}),
    ({'normalization_rule_name': 'nfkc_cf'}, True, {}),
    ({'normalization_rule_name': 'identity'}, True, {}),
    ({'normalization_rule_name': 'nmt_nfkc', **MT5}, False, {'extra_ids': 0}),
] if IS_5 else [
    ({}, True, {'legacy': True}),
    ({}, True, {'legacy': False}),
    ({'normalization_rule_name': 'identity'}, True, {'legacy': False}),
]


def make(directory, settings, added, options):
    """Returns the tokenizer that transformers loads from the directory."""
    os.mkdir(directory)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING), model_prefix=f'{directory}/spiece', minloglevel=2,
        **{'vocab_size': 250, 'hard_vocab_limit': False, 'character_coverage': 1.0, 'pad_id': 0, 'eos_id': 1, 'unk_id': 2,
           'bos_id': -1, **settings})
    tokenizer = T5Tokenizer.from_pretrained(directory, **options)
    if added:
        tokenizer.add_tokens([AddedToken(content, **how) for content, how in ADDED if IS_5 or content[0] != ' '])
    tokenizer.save_pretrained(directory)
    return T5Tokenizer.from_pretrained(directory)


def main():
    wrong = 0
    for case, (settings, added, options) in enumerate(CASES):
        directory = f'case{case}'
        tokenizer = make(directory, settings, added, options)
        lines = mixed_lines(random.Random(case), COUNT)
        result = subprocess.run([TOKENIZE, directory, 'all'], input='\n'.join(lines).encode() + b'\n',
                                stdout=subprocess.PIPE, check=True)
        rows = result.stdout.decode().split('\n')[:-1]
        assert len(rows) == COUNT, f'{len(rows)} rows'
        different = 0
        for line, row in zip(lines, rows):
            expected = tokenizer(line).input_ids
            same = [int(i) for i in row.split('\x1f')[0].split()] == expected
            # SentencePiece shows unknown characters in its own way; U+001F separates our columns.
            if same and row.count('\x1f') == 2 and (IS_5 or tokenizer.unk_token_id not in expected):
                texts = [tokenizer.decode(expected, skip_special_tokens=skip) for skip in (True, False)]
                same = [text.replace('\n', ' ') for text in texts] == row.split('\x1f')[1:]
            different += not same
            if not same and different <= 3:
                print(f'{settings}, {options}: {line!r}: {row!r}, expected {expected}')
        wrong += different > 0
    print(f'transformers {transformers.__version__}: {len(CASES)} vocabularies, {COUNT} lines each, {wrong} differ')
    sys.exit(1 if wrong else 0)


with tempfile.TemporaryDirectory() as temporary:
    os.chdir(temporary)
    main()
