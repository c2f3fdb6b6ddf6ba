# SPDX-License-Identifier: Apache-2.0
"""switch-evaluate --per-line gives the log-probabilities of transformers.

usage: transformers_scores.py SWITCH_EVALUATE MAKE_MODEL [MODEL SOURCE REFERENCE]

Scores generated lines with the model of make_model, or the given texts with the given model. Runs under
$SWITCHYARD_PYTHON if that is set; exits with 77 (skipped) if torch or transformers is missing.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from generated_text import read_lines, write_lines
from peer_python import packages

with packages():
    import sentencepiece
    import torch
    import transformers

EVALUATE, MAKE_MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# float32's rounding in a few layers, summed over at most some 20 tokens
TOLERANCE = 1e-4


def main():
    given = sys.argv[3:]
    if given:
        directory, source, reference = given
    else:
        directory, source, reference = 'model', 'source', 'reference'
        subprocess.run([MAKE_MODEL, directory], check=True)
        rng = random.Random(1)
        for path in (source, reference):
            write_lines(path, rng)
    out = subprocess.run([EVALUATE, reference, '--model', directory, '--source', source, '--per-line', '-w', '9'],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    found = [json.loads(line) for line in out.splitlines()]
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=os.path.join(directory, 'spiece.model'))
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(directory).eval()
    texts = list(zip(read_lines(source), read_lines(reference)))
    assert len(found) == len(texts), (len(found), len(texts))
    worst = 0
    for row, (text, target) in zip(found, texts):
        ids, labels = (torch.tensor([vocabulary.encode(line) + [1]]) for line in (text, target))
        with torch.no_grad():
            log_probs = model(input_ids=ids, labels=labels).logits.log_softmax(-1)[0]
        expected = log_probs.gather(1, labels[0][:, None])[:, 0].tolist()
        assert len(expected) == len(row['token_log_probs']), row
        worst = max(worst, *(abs(a - b) for a, b in zip(expected, row['token_log_probs'])),
                    abs(sum(expected) - row['log_prob']))
    print(f'transformers {transformers.__version__}: {len(texts)} lines, largest difference {worst:.2g}')
    sys.exit(0 if worst < TOLERANCE else 1)


with tempfile.TemporaryDirectory() as temporary:
    sys.argv[3:] = [os.path.abspath(path) for path in sys.argv[3:]]
    os.chdir(temporary)
    main()
