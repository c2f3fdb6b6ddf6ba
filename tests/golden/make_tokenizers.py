#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small vocabularies and what Hugging Face's T5Tokenizer makes of some lines with them, as directories below
tests/golden/tokenizers: with transformers 5 those with a tokenizer.json, with transformers 4 those with a spiece.model.

    pip install transformers==5.24.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf     and, elsewhere,
    pip install transformers==4.57.6 sentencepiece==0.2.3 protobuf
    python3 tests/golden/make_tokenizers.py
"""
import json
import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
import sentencepiece
import transformers
from mixed_lines import ADDED, TRAINING, mixed_lines
from transformers import AddedToken, T5Tokenizer

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tokenizers')
IS_5 = transformers.__version__.startswith('5.')
# A few of nmt_nfkc_cf's rules: its own take 200 kB.
RULES = {'ﬁ': 'fi', '½': '1\u20442', '①': '1', '㌔': 'キロ', 'ｶﾞ': 'ガ', 'ｶ': 'カ', 'ﾞ': '\u3099', 'ｱ': 'ア', 'ﾊﾟ': 'パ', 'ﾊ': 'ハ',
         'e\u0301': 'é', 'o\u0308': 'ö', 'o\u0308\u0323': 'ọ\u0308', 'a\u030a': 'å', '\u1100\u1161': '가', '\u1100\u1161\u11a8': '각',
         '\u212b': 'å', '\u2126': 'ω', '\u00a0': ' ', '\u3000': ' ', '\u200b': ' ', '\t': ' ', '\u00ad': '', '\ufeff': '', '\x1f': '',
         'Ａ': 'a', 'Ｂ': 'b', 'Ä': 'ä', 'G': 'g', '\u0958': '\u0915\u093c', '\u00a9': 'c', '\ufdfa': 'صلى الله عليه وسلم'}


def train(directory, rules):
    with open(os.path.join(directory, 'rules'), 'w') as file:
        for left, right in rules.items():
            print(*[' '.join(f'{ord(c):X}' for c in text) for text in (left, right)], sep='\t', file=file)
    settings = ({'normalization_rule_tsv': os.path.join(directory, 'rules')} if rules else
                {'normalization_rule_name': 'identity'})
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING), model_prefix=os.path.join(directory, 'spiece'), vocab_size=250,
        hard_vocab_limit=False, character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, **settings)
    os.remove(os.path.join(directory, 'spiece.vocab'))
    os.remove(os.path.join(directory, 'rules'))


def make(name, rules, added, **options):
    directory = os.path.join(OUT, name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    train(directory, rules)
    tokenizer = T5Tokenizer.from_pretrained(directory, **options)
    if added:
        # With transformers 4 a token that strips whitespace also strips that of the token after it, which is then text.
        tokenizer.add_tokens([AddedToken(content, **how) for content, how in ADDED if IS_5 or content[0] != ' '])
    tokenizer.save_pretrained(directory)
    if IS_5:
        os.remove(os.path.join(directory, 'spiece.model'))
    tokenizer = T5Tokenizer.from_pretrained(directory)
    lines = mixed_lines(random.Random(name), 300, 8) + ['', ' ', '\u3000', '</s>', '<extra_id_0>']
    rows = []
    for line in lines:
        ids = tokenizer(line).input_ids
        row = {'line': line, 'ids': ids}
        if IS_5 or tokenizer.unk_token_id not in ids:  # we show unknown characters as SentencePiece does
            row['text'] = tokenizer.decode(ids, skip_special_tokens=True)
            row['shown'] = tokenizer.decode(ids)
        rows.append(json.dumps(row, ensure_ascii=True))
    versions = f'transformers {transformers.__version__}'
    if IS_5:
        import tokenizers
        versions += f', tokenizers {tokenizers.__version__}'
    with open(os.path.join(directory, 'expected.json'), 'w') as file:
        file.write(f'{{"made_with": "{versions}", "rows": [\n' + ',\n'.join(rows) + '\n]}\n')


kind = 'json' if IS_5 else 'spiece'
make(f'{kind}-rules-added', RULES, True, **({} if IS_5 else {'legacy': False}))
make(f'{kind}-identity', {}, False, **({} if IS_5 else {'legacy': True}))
