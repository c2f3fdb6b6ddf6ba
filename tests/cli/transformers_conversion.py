# SPDX-License-Identifier: Apache-2.0
"""Models that `transformers` has written are converted without changing their logits.

usage: transformers_conversion.py SWITCH_CONVERT
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

from saved_models import as_base_model, as_pytorch_file, edit

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SIZES = dict(vocab_size=99, d_model=16, d_kv=8, d_ff=32, num_heads=2, num_layers=4, num_decoder_layers=2,
             decoder_start_token_id=0)
SPARSE = dict(SIZES, num_experts=4, num_sparse_encoder_layers=2, num_sparse_decoder_layers=1, expert_capacity=64)
V11 = dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)


def t5(**settings):
    return transformers.T5ForConditionalGeneration(transformers.T5Config(**{**SIZES, **settings}))


def switch(**settings):
    config = transformers.SwitchTransformersConfig(**{**SPARSE, **settings})
    return transformers.SwitchTransformersForConditionalGeneration(config)


def mt5():
    return transformers.MT5ForConditionalGeneration(transformers.MT5Config(**SIZES))


def half_in_bfloat16(directory):
    """As in google/switch-base-8: some tensors bfloat16, some float32."""
    def tensors(held):
        return {name: tensor.bfloat16() if i % 2 else tensor for i, (name, tensor) in enumerate(sorted(held.items()))}
    edit(directory, tensors, lambda config: config.update(dtype="float32"))


def with_copies(directory):
    copies = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]
    edit(directory, lambda held: {**held, **{name: held["shared.weight"] for name in copies}})


def own_head(directory):
    """T5 v1.1 as published: a head that differs from the embedding, tie_word_embeddings false."""
    def tensors(held):
        held["lm_head.weight"] = torch.randn_like(held["shared.weight"])
    def config(fields):
        fields.pop("scale_decoder_outputs", None)
        fields["tie_word_embeddings"] = False
    edit(directory, tensors, config)


def with_aliases(directory):
    def config(fields):
        for alias, key in [("hidden_size", "d_model"), ("num_attention_heads", "num_heads")]:
            fields[alias] = fields.pop(key)
    edit(directory, config=config)


NOTHING = lambda directory: None
# name: the model, what is done to its directory
CASES = {
    "t5": (lambda: t5(), NOTHING),
    "t5-v1.1": (lambda: t5(**V11), own_head),
    "t5-v1.1-deep-decoder": (lambda: t5(**V11, num_layers=1, num_decoder_layers=3), own_head),
    "t5-prefix-copies": (lambda: t5(), with_copies),
    "t5-aliases": (lambda: t5(), with_aliases),
    "t5-pytorch": (lambda: t5(), as_pytorch_file),
    "mt5": (mt5, own_head),
    "mt5-tied": (mt5, NOTHING),
    "switch": (lambda: switch(), NOTHING),
    "switch-bias": (lambda: switch(router_bias=True, num_sparse_decoder_layers=2), NOTHING),
    "switch-untied": (lambda: switch(tie_word_embeddings=False), NOTHING),
    "switch-prefix": (lambda: switch(), as_base_model),
    "switch-copies": (lambda: switch(), with_copies),
    "switch-mixed": (lambda: switch(), half_in_bfloat16),
    "switch-pytorch": (lambda: switch(), as_pytorch_file),
    "t5-mixed": (lambda: t5(), half_in_bfloat16),
}


def state_and_logits_of(directory):
    model, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        directory, output_loading_info=True, attn_implementation="eager", dtype=torch.float32
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{directory}: {kind}: {info[kind]}"
    rows = []
    with torch.no_grad():
        for source, target in [([5, 9, 77, 1], [8, 3, 1]), ([1], [98, 1]), (list(range(2, 40)), [4, 4, 4, 4])]:
            out = model.eval()(input_ids=torch.tensor([source]), labels=torch.tensor([target]))
            rows.append(out.logits[0])
    return model.state_dict(), torch.cat(rows)


def convert(tool, source, out, *options):
    done = subprocess.run([tool, source, "-o", out, "--verify", *options], capture_output=True, text=True)
    assert done.returncode == 0, f"{source}: {done.stderr}"
    return done.stderr


def check_shards(tool, model, source, out):
    """The same files as save_pretrained() writes with the same limit."""
    model.save_pretrained(source / "sharded", max_shard_size=10_000)
    convert(tool, source, out, "--max-shard-size", "10KB")
    name = "model.safetensors.index.json"
    expected, found = (json.loads((directory / name).read_text()) for directory in (source / "sharded", out))
    expected_map, found_map = expected.pop("weight_map"), found.pop("weight_map")
    differ = [key for key in {**expected_map, **found_map} if expected_map.get(key) != found_map.get(key)]
    assert expected == found and not differ, f"{source.name}: {expected} {found} {differ}"
    assert (source / "sharded" / name).read_text() == (out / name).read_text()


def main():
    tool = sys.argv[1]
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        for case, (make, spoil) in CASES.items():
            source, out = pathlib.Path(folder) / case, pathlib.Path(folder) / (case + "-out")
            model = make()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.05)
            model.save_pretrained(source)
            spoil(source)
            state, expected = state_and_logits_of(source)
            said = convert(tool, source, out)
            assert "all identical" in said, said
            found_state, found = state_and_logits_of(out)
            for name in state:
                assert torch.equal(found_state[name], state[name]), f"{case}: {name}"
            assert found_state.keys() == state.keys()
            # Sums depend on how the tensors are aligned in the file.
            error = (found - expected).abs().max() / expected.abs().max()
            assert error < 1e-5, f"{case}: logits differ by {error}"
            print(f"{case}: {type(model).__name__}, the same values, logits within {error:.1e}")
            if case in ("t5", "switch", "switch-untied"):
                check_shards(tool, model, source, pathlib.Path(f"{out}-shards"))
            for dtype in ("bfloat16", "float16"):
                narrow = pathlib.Path(f"{out}-{dtype}")
                convert(tool, source, narrow, "--dtype", dtype)
                error = (state_and_logits_of(narrow)[1] - expected).norm() / expected.norm()
                assert error < 0.125, f"{case}: {dtype}: {error}"
                loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(narrow, dtype="auto")
                assert loaded.dtype == getattr(torch, dtype), loaded.dtype


main()
