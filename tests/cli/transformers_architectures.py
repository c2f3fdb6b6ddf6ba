# SPDX-License-Identifier: Apache-2.0
"""Models of many architectures have Hugging Face's hidden states, losses, gradients and translations.

usage: transformers_architectures.py HF_PARITY SWITCH_CONVERT [NAME...]
The models are made here, with random weights, and read as saved and as switch-convert writes them.
Runs under $SWITCHYARD_PYTHON if that is set; exits with 77 (skipped) if transformers is missing.
"""

import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from peer_python import packages

with packages():
    import torch
    import transformers
    from safetensors.torch import save_file

import make_golden as golden
from saved_models import as_base_model, as_pytorch_file, edit

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


class GatedExpert(torch.nn.Module):
    """The experts of google/switch-xxl-128, for which transformers has no class."""

    def __init__(self, config):
        super().__init__()
        for name in ("wi_0", "wi_1"):
            setattr(self, name, torch.nn.Linear(config.d_model, config.d_ff, bias=False))
        self.wo = torch.nn.Linear(config.d_ff, config.d_model, bias=False)
        self.act = transformers.activations.ACT2FN[config.dense_act_fn]

    def forward(self, x):
        return self.wo(self.act(self.wi_0(x)) * self.wi_1(x))


def with_gated_experts(model):
    """In dense layers too, as T5X has them."""
    model.config.dense_act_fn = "gelu_new"
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("DenseActDense"):
                setattr(module, name, GatedExpert(model.config))
    golden.spread(model)
    return model


def gated_config(directory):
    edit(directory, config=lambda config: config.update(is_gated_act=True))


def as_switch_c(directory):
    """google/switch-c-2048: the name of the head, and a config.json that contradicts the weights."""
    def tensors(held):
        held["decoder.lm_head.weight"] = held.pop("lm_head.weight")
    def config(fields):  # refused until it is converted, which corrects it
        fields.update(num_decoder_layers=1, decoder_sparse_step=0, tie_word_embeddings=True)
    edit(directory, tensors, config)


def without_optional_fields(directory):
    optional = ["decoder_start_token_id", "relative_attention_max_distance", "eos_token_id", "pad_token_id",
                "layer_norm_epsilon", "dense_act_fn", "router_dtype", "router_bias"]
    edit(directory, config=lambda config: [config.pop(name, None) for name in optional])


def in_bfloat16_files(directory):
    """The values are those of bfloat16 already; see ROUNDED."""
    edit(directory, lambda held: {name: tensor.bfloat16() if i % 3 else tensor
                                  for i, (name, tensor) in enumerate(sorted(held.items()))})


NOTHING = lambda directory: None
ROUNDED = {"switch-bfloat16", "t5-bfloat16"}
REFUSED_UNCONVERTED = {"switch-c"}
# transformers 4 does not know scale_decoder_outputs, and its balance loss counts dropped tokens as
# tokens of expert 0.
SINCE_5 = {"t5-unscaled", "switch-capacity-1"}
LAYERS = dict(num_layers=2, num_decoder_layers=2)
SPARSE = dict(num_experts=4, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1)
ALL_SPARSE = dict(num_experts=5, num_sparse_encoder_layers=2, num_sparse_decoder_layers=2)


def switch(**sizes):
    return lambda: golden.switch_model(**{**LAYERS, **SPARSE, **sizes})


def t5(**sizes):
    return lambda: golden.t5_model(**{**LAYERS, **sizes})


def gated(**sizes):
    return lambda: with_gated_experts(switch(**sizes)())


# Name: the seed, the model, and what is done to its directory.
CASES = {
    "switch": (1, switch(), NOTHING),
    "switch-one-expert": (2, switch(num_experts=1), NOTHING),
    "switch-two-experts-gelu": (3, switch(num_experts=2, dense_act_fn="gelu"), NOTHING),
    "switch-37-experts": (4, switch(num_experts=37), NOTHING),
    "switch-all-sparse": (5, switch(**ALL_SPARSE), NOTHING),
    "switch-sparse-encoder-only": (6, switch(num_decoder_layers=4, num_layers=4, num_sparse_encoder_layers=2), NOTHING),
    "switch-every-third": (7, switch(num_layers=6, num_sparse_encoder_layers=2), NOTHING),
    "switch-deep-encoder": (8, switch(num_layers=5, num_decoder_layers=1), NOTHING),
    "switch-deep-decoder": (9, switch(num_layers=1, num_decoder_layers=4, num_sparse_decoder_layers=2), NOTHING),
    "switch-capacity-1": (10, switch(expert_capacity=1, **{**SPARSE, "num_experts": 3}), NOTHING),
    "switch-capacity-3-bias": (11, switch(expert_capacity=3, router_bias=True, **ALL_SPARSE), NOTHING),
    "switch-one-head": (12, switch(num_heads=1, d_kv=5), NOTHING),
    "switch-wide-heads": (13, switch(num_heads=7, d_kv=9, d_model=20), NOTHING),
    "switch-odd-sizes": (14, switch(d_model=13, d_ff=7, vocab_size=31), NOTHING),
    "switch-buckets": (15, switch(relative_attention_num_buckets=6, relative_attention_max_distance=5), NOTHING),
    "switch-epsilon": (16, switch(layer_norm_epsilon=0.03), NOTHING),
    "switch-untied": (17, switch(tie_word_embeddings=False), NOTHING),
    "switch-silu": (18, switch(dense_act_fn="silu"), NOTHING),
    "switch-xxl": (19, gated(), gated_config),
    "switch-xxl-untied": (20, gated(tie_word_embeddings=False, **ALL_SPARSE), gated_config),
    "switch-c": (21, switch(tie_word_embeddings=False, **ALL_SPARSE), as_switch_c),
    "switch-prefix": (22, switch(), as_base_model),
    "switch-bare-config": (23, switch(), without_optional_fields),
    "switch-bfloat16": (24, switch(), in_bfloat16_files),
    "switch-pytorch": (25, switch(), as_pytorch_file),
    "t5": (26, t5(), NOTHING),
    "t5-gelu-new": (27, t5(feed_forward_proj="gelu_new"), NOTHING),
    "t5-gated-gelu": (28, t5(feed_forward_proj="gated-gelu"), NOTHING),
    "t5-gated-silu-untied": (29, t5(feed_forward_proj="gated-silu", tie_word_embeddings=False), NOTHING),
    "t5-deep-decoder": (30, t5(num_layers=1, num_decoder_layers=3), NOTHING),
    "t5-odd-sizes": (31, t5(d_model=10, d_ff=3, num_heads=5, d_kv=3, vocab_size=29), NOTHING),
    "t5-unscaled": (32, t5(scale_decoder_outputs=False), NOTHING),
    "t5-bfloat16": (33, t5(), in_bfloat16_files),
}


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout)
    return done.returncode == 0


def main():
    hf_parity, switch_convert = sys.argv[1:3]
    names = sys.argv[3:] or list(CASES)
    if transformers.__version__ < "5":
        names = [name for name in names if name not in SINCE_5]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            seed, make, change = CASES[name]
            torch.manual_seed(seed)
            model = make().eval()
            if name in ROUNDED:
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.copy_(weight.bfloat16())
            directory, converted = pathlib.Path(folder) / name, pathlib.Path(folder) / (name + "-converted")
            values = golden.expected_values(model)
            model.save_pretrained(directory)
            change(directory)
            save_file(values, directory / "expected.safetensors")
            good = name in REFUSED_UNCONVERTED or run(hf_parity, directory)
            good = good and run(switch_convert, directory, "-o", converted, "-q")
            if good:
                (directory / "expected.safetensors").rename(converted / "expected.safetensors")
                good = run(hf_parity, converted)
            print(f"{name}: {'the same values' if good else 'FAILED'}", flush=True)
            if not good:
                failed.append(name)
    print(f"{len(names) - len(failed)} of {len(names)} architectures agree")
    sys.exit(1 if failed else 0)


main()
