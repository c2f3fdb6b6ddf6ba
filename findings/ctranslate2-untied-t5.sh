#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CTranslate2 with transformers 5: a converted T5 1.1 or Flan-T5 has wrong probabilities.
#
# Versions: ctranslate2 4.8.5, transformers 5.24.0.
# These models have a head of their own, and only T5 1.0, whose head is the embedding, multiplies
# the decoder's output by d_model^-0.5. The converter decides by tie_word_embeddings, which
# transformers 5 sets to true in every T5Config: it keeps the value from the file in
# scale_decoder_outputs instead. The converted model divides all logits by sqrt(d_model). Its most
# likely token is the same, so greedy search is right, but probabilities are much more even, which
# changes beam search, sampling and scores. There is no error and no warning.
# Expected: the same probabilities as in transformers.
#
# Output on 2026-11-30, for d_model = 64:
#   ctranslate2 4.8.5, transformers 5.24.0
#   log-probabilities of three tokens
#     transformers:                            -4.68 -10.23 -9.68
#     ctranslate2:                             -3.22 -3.91 -3.85
#     transformers, logits / sqrt(d_model):    -3.22 -3.91 -3.85
#
# usage: findings/ctranslate2-untied-t5.sh
# Installs the packages into a temporary virtual environment. Exit code 0 if they behave as
# described, 1 if not.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q ctranslate2==4.8.5 transformers==5.24.0 torch numpy

cat > "$directory/show.py" <<'EOF'
import sys

import ctranslate2
import torch
import transformers
from ctranslate2.converters import TransformersConverter
from transformers import T5Config, T5ForConditionalGeneration

directory = sys.argv[1]
transformers.logging.set_verbosity_error()
torch.manual_seed(1)
config = T5Config(vocab_size=32, d_model=64, d_kv=16, num_heads=4, d_ff=128, num_layers=2,
                  feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                  decoder_start_token_id=0)
model = T5ForConditionalGeneration(config).eval()
with torch.no_grad():
    model.lm_head.weight.normal_(std=0.3)
model.save_pretrained(directory + "/model")
tokens = ["<pad>", "</s>", "<unk>"] + [f"t{i}" for i in range(3, 32)]


class Tokenizer:
    pad_token, eos_token, unk_token, bos_token = "<pad>", "</s>", "<unk>", None
    unk_token_id = 2
    additional_special_tokens = []

    def get_vocab(self):
        return {token: i for i, token in enumerate(tokens)}

    def convert_ids_to_tokens(self, i):
        return tokens[i]


# A tokenizer in memory; the conversion of the weights is CTranslate2's own.
converter = TransformersConverter(directory + "/model")
converter.load_tokenizer = lambda *args, **kwargs: Tokenizer()
converter.convert(directory + "/converted")

source, targets = [5, 9, 1], [3, 16, 31]
with torch.no_grad():
    logits = model(input_ids=torch.tensor([source]),
                   decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
right = torch.log_softmax(logits, -1)[targets].tolist()
flat = torch.log_softmax(logits / config.d_model ** 0.5, -1)[targets].tolist()
translator = ctranslate2.Translator(directory + "/converted")
found = [translator.score_batch([[tokens[i] for i in source]], [[tokens[t]]])[0].log_probs[0]
         for t in targets]

print(f"ctranslate2 {ctranslate2.__version__}, transformers {transformers.__version__}")
print("log-probabilities of three tokens")
for name, values in (("transformers", right), ("ctranslate2", found),
                     ("transformers, logits / sqrt(d_model)", flat)):
    print(f"  {name + ':':40}", " ".join(f"{value:.2f}" for value in values))


def near(a, b):
    return all(abs(x - y) < 1e-3 for x, y in zip(a, b))


sys.exit(not near(found, flat) or near(found, right))
EOF
"$directory/venv/bin/python" "$directory/show.py" "$directory" 2>/dev/null
