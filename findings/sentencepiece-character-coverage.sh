#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sentencepiece 0.2.3 (PyPI) and 0.1.97: with character_coverage=1.0 a vocabulary should cover every
# character of its text. Above some 33 million characters it does not. The coverage is a 32-bit float,
# which rounds to 1 before the rarest characters are counted; they are left out, although the log says
# "100% characters are covered".
#
# One line has the only U+044F; all other lines repeat one word:
#   sentencepiece 0.2.3
#   16,000,001 characters: U+044F is known
#   36,000,001 characters: U+044F is unknown
#
# Takes half a minute. Exit code 0 if the behaviour is as described, 1 if it has changed.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q sentencepiece==0.2.3
"$directory/venv/bin/python" - <<'PYTHON'
import io
import sys

import sentencepiece

WORD = 'a' * 15
WORDS = 250  # per line: 4,000 characters including spaces


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
