# SPDX-License-Identifier: Apache-2.0
"""switch-translate --embed gives the encoder states of transformers.

usage: transformers_states.py SWITCH_TRANSLATE MAKE_MODEL [MODEL SOURCE]

Embeds generated lines with the model of make_model, or the given text with the given model. Runs under
$SWITCHYARD_PYTHON if that is set; exits with 77 (skipped) if torch or transformers is missing.
"""
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from generated_text import read_lines, write_lines
from peer_python import packages

with packages():
    import numpy
    import safetensors.torch
    import sentencepiece
    import torch
    import transformers

TRANSLATE, MAKE_MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# float32's rounding in a few layers; states are of order 1 after the final norm
TOLERANCE = 1e-4


def embed(directory, source, *args):
    subprocess.run([TRANSLATE, '-m', directory, '-i', source, '-q', '--embed', *args], check=True)


def main():
    given = sys.argv[3:]
    if given:
        directory, source = given
    else:
        directory, source = 'model', 'source'
        subprocess.run([MAKE_MODEL, directory], check=True)
        write_lines(source, random.Random(1))
    embed(directory, source, 'tokens', '-o', 'tokens.safetensors')
    embed(directory, source, 'mean', '-o', 'mean.safetensors')
    embed(directory, source, 'mean', '-o', 'mean.npy')
    found = safetensors.torch.load_file('tokens.safetensors')
    states, offsets = found['states'], found['offsets'].tolist()
    means = torch.from_numpy(numpy.load('mean.npy'))
    assert torch.equal(means, safetensors.torch.load_file('mean.safetensors')['mean'])
    texts = read_lines(source)
    assert len(offsets) == len(texts) + 1 and len(means) == len(texts) and offsets[-1] == len(states)
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=os.path.join(directory, 'spiece.model'))
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(directory).eval()
    worst = 0
    for i, text in enumerate(texts):
        with torch.no_grad():
            expected = model.get_encoder()(torch.tensor([vocabulary.encode(text) + [1]])).last_hidden_state[0]
        own = states[offsets[i]:offsets[i + 1]]
        assert own.shape == expected.shape, (i, own.shape, expected.shape)
        worst = max(worst, (own - expected).abs().max().item(), (means[i] - expected.mean(0)).abs().max().item())
    print(f'transformers {transformers.__version__}: {len(texts)} lines, largest difference {worst:.2g}')
    sys.exit(0 if worst < TOLERANCE else 1)


with tempfile.TemporaryDirectory() as temporary:
    sys.argv[3:] = [os.path.abspath(path) for path in sys.argv[3:]]
    os.chdir(temporary)
    main()
