# SPDX-License-Identifier: Apache-2.0
"""What this library writes loads in `transformers` and gives the same logits.

usage: transformers_roundtrip.py WRITE_MODEL
Runs under $SWITCHYARD_PYTHON if that is set; exits with 77 (skipped) if transformers is missing.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from peer_python import packages

with packages():
    import torch
    import transformers
    from safetensors.torch import load_file

transformers.logging.set_verbosity_error()
TOLERANCE = 2e-4  # relative to the largest logit: two orders of summation in float32


def check_model(directory):
    model, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        directory, output_loading_info=True, attn_implementation="eager"
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{directory.name}: {kind}: {info[kind]}"
    batch = json.loads((directory / "batch.json").read_text())
    expected = load_file(directory / "logits.safetensors")["logits"]
    rows = []
    with torch.no_grad():
        for source, target in zip(batch["source"], batch["target"]):
            out = model.eval()(input_ids=torch.tensor([source]), labels=torch.tensor([target]))
            rows.append(out.logits[0])
        generated = model.generate(torch.tensor([batch["source"][0]]), max_new_tokens=4)
    assert generated.shape[0] == 1
    error = (torch.cat(rows) - expected).abs().max() / expected.abs().max()
    assert error <= TOLERANCE, f"{directory.name}: logits differ by {error:.2e} of the largest"
    print(f"{directory.name}: {type(model).__name__}, largest difference {error:.1e}")


def check_tokenizer(directory):
    """With tokenizer_config.json, AutoTokenizer reads a spiece.model as SentencePiece does."""
    try:
        import sentencepiece
    except ImportError:
        print("tokenizer: skipped, no sentencepiece")
        return
    lines = ["a dog runs over the street", "the cats sleep in a house", "two men walk home"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 3),
        model_prefix=str(directory / "spiece"),
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(directory / "spiece.model"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    assert len(tokenizer) == pieces.vocab_size(), (len(tokenizer), pieces.vocab_size())
    for line in [*lines, "", "the  house "]:
        assert tokenizer(line).input_ids == pieces.encode(line) + [1], line
    print(f"tokenizer: {type(tokenizer).__name__}")


def main():
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.argv[1], name], check=True)
        directories = sorted(pathlib.Path(name).iterdir())
        for directory in directories:
            check_model(directory)
        check_tokenizer(directories[0])


main()
