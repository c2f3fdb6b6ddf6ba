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

wanted = os.environ.get('SWITCHYARD_PYTHON')
if wanted and os.path.abspath(wanted) != sys.executable:
    os.environ['SWITCHYARD_PYTHON'] = ''
    os.execv(wanted, [wanted, *sys.argv])
try:
    import numpy
    import safetensors.torch
    import sentencepiece
    import torch
    import transformers
except ImportError as error:
    print(f'skipped: {error}; set SWITCHYARD_PYTHON to a Python that has transformers, torch and sentencepiece')
    sys.exit(77)

TRANSLATE, MAKE_MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# float32's rounding in a few layers; states are of order 1 after the final norm
TOLERANCE = 1e-4


def words(rng):
    return ' '.join(''.join(rng.choice('abcdefghij') for _ in range(rng.randint(1, 6)))
                    for _ in range(rng.randint(0, 9)))


def embed(directory, source, *args):
    subprocess.run([TRANSLATE, '-m', directory, '-i', source, '-q', '--embed', *args], check=True)


def main():
    given = sys.argv[3:]
    if given:
        directory, source = given
    else:
        directory, source = 'model', 'source'
        subprocess.run([MAKE_MODEL, directory], check=True)
        rng = random.Random(1)
        with open(source, 'w', encoding='utf-8') as file:
            file.write(''.join(words(rng) + '\n' for _ in range(200)))
    embed(directory, source, 'tokens', '-o', 'tokens.safetensors')
    embed(directory, source, 'mean', '-o', 'mean.safetensors')
    embed(directory, source, 'mean', '-o', 'mean.npy')
    found = safetensors.torch.load_file('tokens.safetensors')
    states, offsets = found['states'], found['offsets'].tolist()
    means = torch.from_numpy(numpy.load('mean.npy'))
    assert torch.equal(means, safetensors.torch.load_file('mean.safetensors')['mean'])
    with open(source, encoding='utf-8') as file:
        texts = file.read().split('\n')[:-1]
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
