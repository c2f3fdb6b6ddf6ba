#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.24.0 with sentencepiece 0.2.3 (PyPI): T5Tokenizer takes piece 2 for <unk>, whatever the
# spiece.model or tokenizer.json says. In a vocabulary with spm_train's default ids (<unk> 0, <s> 1,
# </s> 2) an unknown character becomes </s>, the end of the sentence. T5's own ids are not affected. We
# follow the file.
#
#   ids of "a\u65e5b": [.., 2, .., 2], expected [.., 0, .., 2]
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
import json
import os
import sys

import sentencepiece
import transformers

os.mkdir('model')
lines = ['a dog runs over the street', 'the cats sleep in a house', 'two men walk home'] * 10
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix='model/spiece', vocab_size=40,
                                         hard_vocab_limit=False, minloglevel=2)
pieces = sentencepiece.SentencePieceProcessor(model_file='model/spiece.model')
print('transformers', transformers.__version__, 'sentencepiece', sentencepiece.__version__)
print('SentencePiece: <unk>', pieces.unk_id(), '</s>', pieces.eos_id())
tokenizer = transformers.T5Tokenizer.from_pretrained('model')
ids = tokenizer('a\u65e5b').input_ids
print('ids', ids, 'expected', pieces.encode('a\u65e5b') + [pieces.eos_id()])
tokenizer.save_pretrained('saved')
with open('saved/tokenizer.json') as file:
    unk_id = json.load(file)['model']['unk_id']
print('unk_id in the tokenizer.json it saves:', unk_id)
as_described = pieces.unk_id() == 0 and pieces.eos_id() == 2 and ids.count(2) >= 2 and 0 not in ids and unk_id == 2
sys.exit(0 if as_described else 1)
PYTHON
