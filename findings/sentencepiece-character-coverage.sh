#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sentencepiece 0.2.3 (PyPI), also 0.1.97: with character_coverage=1.0 a vocabulary should have every
# character of its text. From some 33 million characters on it does not: the covered share is a 32-bit
# float, which rounds to 1 while the rarest characters are still to come, and those are left out
# while its log says "100% characters are covered".
#
# One line has the only letter U+044F; all others repeat one word. Seen:
#   sentencepiece 0.2.3
#   16,000,001 characters: U+044F is known
#   36,000,001 characters: U+044F is unknown
#
# Takes half a minute. Exit 0 if the behaviour is as described, 1 if it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q sentencepiece==0.2.3
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import sentencepiece

WORD = 'a' * 15
WORDS = 250  # of a line: 4,000 characters with their spaces


def is_known(lines):
    def text():
        yield '\u044f'
        for _ in range(lines):
            yield ' '.join([WORD] * WORDS)

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=text(), model_writer=model, vocab_size=30, hard_vocab_limit=False,
        character_coverage=1.0, minloglevel=2)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    known = pieces.unk_id() not in pieces.encode('\u044f')
    print(f'{lines * 4000 + 1:,} characters: U+044F is {"known" if known else "unknown"}')
    return known


print('sentencepiece', sentencepiece.__version__)
sys.exit(0 if (is_known(4000), is_known(9000)) == (True, False) else 1)
PYTHON
