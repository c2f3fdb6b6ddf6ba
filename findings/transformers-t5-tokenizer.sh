#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.24.0 with sentencepiece 0.2.3 (PyPI): T5Tokenizer silently encodes some texts differently
# from SentencePiece, given the same valid spiece.model. Since 5.0 it is rebuilt on the library
# "tokenizers" from the model's pieces and normalization table, ignoring the model's other settings. With
# SentencePiece's default settings the ids are the same.
#
# Texts with different ids, by setting of SentencePiece's trainer:
#   transformers 5.24.0, sentencepiece 0.2.3
#   defaults: none
#   add_dummy_prefix=False: 'a dog runs' 'a  dog' 'a\tdog' 'a\u3000dog' '<sep>' '\u65e5'
#   treat_whitespace_as_suffix=True: 'a dog runs' 'a  dog' 'a\tdog' 'a\u3000dog' '<sep>' '\u65e5'
#   remove_extra_whitespaces=False: 'a  dog'
#   normalization_rule_name=identity: 'a\tdog' 'a\u3000dog'
#   user_defined_symbols=<sep>: '<sep>'
#   byte_fallback=True: '<sep>' '\u65e5'
#
# Exit code 0 if the behaviour is as described, 1 if it has changed.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q transformers==5.24.0 tokenizers==0.23.3 sentencepiece==0.2.3 \
  protobuf==7.36.2
cd "$directory"
venv/bin/python - <<'PYTHON' 2>stderr || { cat stderr; exit 1; }
import sys

import sentencepiece
import transformers

LINES = ['a dog runs over the street', 'the cats sleep in a house', 'two men walk home'] * 10
TEXTS = ['a dog runs', 'a  dog', 'a\tdog', 'a\u3000dog', '<sep>', '\u65e5']
WORDS, SPACES, WHITESPACE = TEXTS[0], TEXTS[1], TEXTS[2:4]
SEEN = [
    ({}, []),
    ({'add_dummy_prefix': False}, TEXTS),
    ({'treat_whitespace_as_suffix': True}, TEXTS),
    ({'remove_extra_whitespaces': False}, [SPACES]),
    ({'normalization_rule_name': 'identity'}, WHITESPACE),
    ({'user_defined_symbols': '<sep>'}, ['<sep>']),
    ({'byte_fallback': True, 'vocab_size': 330}, ['<sep>', '\u65e5']),
]

print(f'transformers {transformers.__version__}, sentencepiece {sentencepiece.__version__}')
changed = False
for options, seen in SEEN:
    settings = {'vocab_size': 60, 'hard_vocab_limit': False, 'pad_id': 0, 'eos_id': 1, 'unk_id': 2, 'bos_id': -1,
                'minloglevel': 2, **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_prefix='spiece', **settings)
    pieces = sentencepiece.SentencePieceProcessor(model_file='spiece.model')
    tokenizer = transformers.T5Tokenizer.from_pretrained('.', extra_ids=0)
    found = [text for text in TEXTS if tokenizer(text).input_ids != pieces.encode(text) + [pieces.eos_id()]]
    changed = changed or found != seen
    name = next((f'{key}={value}' for key, value in options.items()), 'defaults')
    print(f'{name}:', ' '.join(ascii(text) for text in found) or 'none')
sys.exit(1 if changed else 0)
PYTHON
