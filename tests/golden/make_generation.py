# SPDX-License-Identifier: Apache-2.0
"""Writes generation.json next to this file: what Hugging Face's generate() returns for random tiny
models and random settings.

Made with torch 2.15.0 (CPU), transformers 5.24.0, numpy:
    python3 make_generation.py

Weights are not recorded: model(seed) here and tests/parity/generation_parity.cpp compute the same
ones from the seed, with the generator of src/core/rng.h. Contents:
    architectures   config.json and [name, shape] of the tensors
    searches        architecture, model seed, source, settings (a generation_config.json), ids and,
                    from beam search, scores
    samples         the same with the probability of each output; max_new_tokens is 2
    beam_samples    the same with the number of times that each output was drawn
Sentences are decoded one at a time, because transformers lets a source's padding take part in
routing and in the encoder's logits processors. A search is recorded only if the same one in float64
finds the same ids, so that none depends on rounding.
"""

import collections
import json
import pathlib
import random

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    SwitchTransformersConfig,
    SwitchTransformersForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

MODELS = 60
SEARCHES_PER_MODEL = 10
BEAM_SAMPLES = 20_000
EOS = 1
MASK = (1 << 64) - 1


def mix64(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform(key, count):
    """uniform_f32(random_u32(key, i)) of src/core/rng.h for i < count."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) ^ np.uint32(key & 0xFFFFFFFF)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x ^= np.uint32(key >> 32)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def weight(seed, name, shape):
    key = seed
    for byte in name.encode():
        key = mix64(key ^ byte)
    u = uniform(mix64(key), int(np.prod(shape))) - np.float32(0.5)
    if "layer_norm" in name:
        return (np.float32(1) + u).reshape(shape)
    # Large enough that outputs depend on the source and vary in length.
    large = "shared" in name or "lm_head" in name or "bias" in name
    return (u * np.float32(4 if large else 1.5)).reshape(shape)


def architectures():
    sizes = dict(decoder_start_token_id=0, pad_token_id=0, eos_token_id=EOS)
    switch = [
        dict(vocab_size=32, d_model=12, d_kv=4, d_ff=16, num_heads=3, num_layers=2,
             num_decoder_layers=2, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1,
             num_experts=3),
        dict(vocab_size=40, d_model=8, d_kv=8, d_ff=12, num_heads=2, num_layers=2,
             num_decoder_layers=1, num_sparse_encoder_layers=2, num_sparse_decoder_layers=1,
             num_experts=2),
        dict(vocab_size=29, d_model=16, d_kv=4, d_ff=8, num_heads=2, num_layers=4,
             num_decoder_layers=4, num_sparse_encoder_layers=2, num_sparse_decoder_layers=2,
             num_experts=4, router_bias=True, dense_act_fn="gelu"),
    ]
    t5 = [
        dict(vocab_size=32, d_model=12, d_kv=4, d_ff=16, num_heads=3, num_layers=2,
             num_decoder_layers=2),
        dict(vocab_size=48, d_model=8, d_kv=4, d_ff=16, num_heads=4, num_layers=1,
             num_decoder_layers=1, feed_forward_proj="gated-gelu"),
    ]
    for fields in switch:
        config = SwitchTransformersConfig(**sizes, **fields)
        yield config, SwitchTransformersForConditionalGeneration(config)
    for fields in t5:
        config = T5Config(**sizes, **fields)
        yield config, T5ForConditionalGeneration(config)


def set_weights(net, seed):
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(weight(seed, name, tuple(value.shape))))


def random_ids(rng, vocab, count):
    return [rng.randrange(2, vocab) for _ in range(count)]


def random_settings(rng, vocab, sample=False):
    """Keys of a generation_config.json; about four of them at a time."""
    s = {}
    if rng.random() < 0.15:
        s["max_length"] = rng.randint(5, 20)
    else:
        s["max_new_tokens"] = rng.randint(3, 20)
    if not sample:
        s["num_beams"] = rng.choice([1, 1, 2, 3, 4, 5])
    beams = s.get("num_beams", 1)
    if beams > 1:
        s["num_return_sequences"] = rng.randint(1, beams)
        if rng.random() < 0.5:
            s["length_penalty"] = rng.choice([0.0, 0.6, 2.0, -0.5])
        if rng.random() < 0.7:
            s["early_stopping"] = rng.choice([True, False, "never", "never"])
    options = {
        "repetition_penalty": lambda: rng.choice([1.2, 2.0, 0.8]),
        "encoder_repetition_penalty": lambda: rng.choice([1.3, 0.7]),
        "no_repeat_ngram_size": lambda: rng.randint(1, 3),
        "encoder_no_repeat_ngram_size": lambda: rng.randint(1, 3),
        "bad_words_ids": lambda: [
            random_ids(rng, vocab, rng.choice([1, 1, 2, 2, 3])) for _ in range(rng.randint(1, 8))
        ],
        "min_length": lambda: rng.randint(1, 12),
        "min_new_tokens": lambda: rng.randint(0, 10),
        "forced_bos_token_id": lambda: rng.randrange(2, vocab),
        "forced_eos_token_id": lambda: rng.choice([EOS, [EOS]]),
        "suppress_tokens": lambda: random_ids(rng, vocab, rng.randint(1, 5)),
        "begin_suppress_tokens": lambda: random_ids(rng, vocab, rng.randint(1, 5)),
        "eos_token_id": lambda: [EOS] + random_ids(rng, vocab, rng.randint(1, 2)),
    }
    for key in rng.sample(sorted(options), rng.randint(0, 4)):
        s[key] = options[key]()
    # transformers refuses to force a token that it suppresses.
    s["suppress_tokens"] = sorted(
        set(s.get("suppress_tokens", [])) - {EOS, s.get("forced_bos_token_id")}
    )
    if not s["suppress_tokens"]:
        del s["suppress_tokens"]
    return s


def generate(net, source, settings, **more):
    config = GenerationConfig(
        **{"eos_token_id": EOS, **settings}, pad_token_id=0, decoder_start_token_id=0
    )
    ids = torch.tensor([source] if isinstance(source[0], int) else source)
    # transformers cannot use its cache if the decoder is deeper than the encoder.
    with torch.no_grad():
        return net.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config,
            use_cache=False, return_dict_in_generate=True, output_scores=True, **more
        )


def outputs(result, eos):
    """Each sequence without the start token, through the first eos."""
    for row in result.sequences.tolist():
        end = next((i for i, id in enumerate(row) if i > 0 and id in eos), len(row) - 1)
        yield row[1 : end + 1]


def eos_of(settings):
    eos = settings.get("eos_token_id", EOS)
    return eos if isinstance(eos, list) else [eos]


def search(net, source, settings):
    """Returns ids and scores of finished hypotheses, or None if there are none."""
    result = generate(net, source, settings)
    ids = list(outputs(result, eos_of(settings)))
    if settings["num_beams"] == 1:
        return ids, []
    scores = result.sequences_scores.tolist()
    # Beyond -1e8 are placeholders, of which the order is not defined.
    if not all(score > -1e6 for score in scores):
        return None
    return ids, scores


def sample_probabilities(net, source, settings):
    """The probability of each output of two tokens, by generate()'s own scores."""
    result = {}

    def first_scores(prompt, new_tokens):
        more = dict(decoder_input_ids=torch.tensor([prompt]))
        one = {**settings, "max_new_tokens": new_tokens}
        return generate(net, source, one, **more).scores[0][0].double().softmax(-1).tolist()

    eos = eos_of(settings)
    for first, p in enumerate(first_scores([0], 2)):
        if p == 0:
            continue
        if first in eos:
            result[first,] = p
            continue
        for second, q in enumerate(first_scores([0, first], 1)):
            if q > 0:
                result[first, second] = p * q
    return [[list(ids), float(f"{p:.9g}")] for ids, p in sorted(result.items())]


def beam_sample_counts(net, source, settings):
    counts = collections.Counter()
    batch = 1000
    for _ in range(BEAM_SAMPLES // batch):
        result = generate(net, [source] * batch, settings)
        counts.update(map(tuple, outputs(result, eos_of(settings))))
    return [[list(ids), n] for ids, n in sorted(counts.items())]


SAMPLE_SETTINGS = [
    dict(),
    dict(top_k=5),
    dict(top_k=0, temperature=0.5),
    dict(top_k=0, top_p=0.6),
    dict(top_k=8, top_p=0.9, temperature=2.0),
    dict(top_k=10, repetition_penalty=3.0, no_repeat_ngram_size=1),
    dict(top_k=6, eos_token_id=[EOS, 5, 7, 9], suppress_tokens=[4, 6]),
    dict(top_k=7, temperature=1.5, forced_eos_token_id=EOS, begin_suppress_tokens=[8]),
]
BEAM_SAMPLE_SETTINGS = [
    dict(num_beams=2, top_k=6, max_new_tokens=2),
    dict(num_beams=3, top_k=0, top_p=0.5, temperature=0.7, max_new_tokens=2),
    dict(num_beams=2, top_k=4, max_new_tokens=3, early_stopping=True, length_penalty=0.5),
]


def main():
    rng = random.Random(18)
    nets = list(architectures())
    out = dict(architectures=[], searches=[], samples=[], beam_samples=[])
    for config, net in nets:
        net.eval()
        fields = {k: v for k, v in config.to_diff_dict().items() if k != "transformers_version"}
        tensors = [[name, list(value.shape)] for name, value in net.named_parameters()]
        out["architectures"].append(dict(config=fields, tensors=tensors))

    tried = 0
    for seed in range(MODELS):
        print(f"model {seed} of {MODELS}, {tried} searches tried", flush=True)
        which = seed % len(nets)
        config, net = nets[which]
        for _ in range(SEARCHES_PER_MODEL):
            while True:
                tried += 1
                source = random_ids(rng, config.vocab_size, rng.randint(1, 9)) + [EOS]
                settings = random_settings(rng, config.vocab_size)
                net.float()
                set_weights(net, seed)
                found = search(net, source, settings)
                exact = search(net.double(), source, settings)
                if found and exact and found[0] == exact[0]:
                    break
            case = dict(architecture=which, seed=seed, source=source, settings=settings,
                        ids=found[0])
            if found[1]:
                case["scores"] = [float(f"{x:.7g}") for x in found[1]]
            out["searches"].append(case)

    for kind, all_settings, key, measure in (
        ("samples", SAMPLE_SETTINGS, "probabilities", sample_probabilities),
        ("beam_samples", BEAM_SAMPLE_SETTINGS, "counts", beam_sample_counts),
    ):
        for i, settings in enumerate(all_settings):
            which, seed = i % len(nets), 100 + i
            config, net = nets[which]
            net.float()
            set_weights(net, seed)
            settings = dict(do_sample=True, max_new_tokens=2) | settings
            source = random_ids(rng, config.vocab_size, 4) + [EOS]
            print(kind, i, flush=True)
            torch.manual_seed(i)
            out[kind].append(dict(architecture=which, seed=seed, source=source, settings=settings,
                                  **{key: measure(net, source, settings)}))

    lines = []
    for key, values in out.items():
        rows = ",\n".join(json.dumps(v, separators=(",", ":")) for v in values)
        lines.append(f'"{key}":[\n{rows}\n]')
    path = pathlib.Path(__file__).resolve().parent / "generation.json"
    path.write_text("{" + ",\n".join(lines) + "}\n")
    lengths = [len(ids) for case in out["searches"] for ids in case["ids"]]
    print(f"{len(out['searches'])} searches of {tried} tried, {len(lengths)} outputs, "
          f"mean length {sum(lengths) / len(lengths):.1f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
