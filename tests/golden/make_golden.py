# SPDX-License-Identifier: Apache-2.0
"""Writes the golden directories next to this file: tiny models and Hugging Face's results for them.

Made with torch 2.15.0 (CPU), transformers 5.23.0, safetensors 0.8.0:
    python3 make_golden.py

A directory has a model written by save_pretrained, and expected.safetensors (batch 4, source 11 and
target 9 positions, right-padded; rows of padded positions are meaningless):
    input_ids, attention_mask, labels             labels are -100 where padded
    {encoder,decoder}_hidden_states.N             .0 is the embedding, the last after the final norm
    {encoder,decoder}_last_hidden_state
    {encoder,decoder,cross}_attentions.N          probabilities
    logits
    {encoder,decoder}_router_logits.N             N-th sparse layer
    ce_loss                                       mean over label tokens
    router_z_loss, router_aux_loss                the paper's: per layer over real tokens, summed
    loss                                          ce_loss + coefficient * each router loss
    hf_loss, hf_{encoder,decoder}_{z,aux}_loss    Hugging Face's own: pooled layers, padding included
    grad/NAME                                     d loss / d parameter
    greedy; beam4, beam4_scores; beam4_lp2        generate(max_new_tokens=24)
Evaluation mode, float32. Hugging Face's capacity rule applies, during generation to the encoder only.
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import (
    SwitchTransformersConfig,
    SwitchTransformersForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

SIZES = dict(vocab_size=48, d_model=16, d_kv=6, d_ff=24, num_heads=3, decoder_start_token_id=0)
SOURCE_LENGTHS = [11, 4, 1, 8]
TARGET_LENGTHS = [3, 9, 5, 1]


def spread(model):
    """Moves the weights away from their initial values, so that norms, biases, routing and positions
    matter and generated text varies."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "layer_norm" in name:
                weight += 0.25 * torch.randn_like(weight)
            elif "classifier.bias" in name:
                weight += 0.4 * torch.randn_like(weight)
            elif "relative_attention_bias" in name:
                weight *= 3
            elif "classifier" in name:
                weight *= 0.6
            elif "shared" in name or "embed_tokens" in name or "lm_head" in name:
                weight *= 0.4
            else:
                weight *= 2


def switch_model(**sizes):
    model = SwitchTransformersForConditionalGeneration(SwitchTransformersConfig(**{**SIZES, **sizes}))
    spread(model)
    return model


def t5_model(**sizes):
    config = T5Config(**{**SIZES, **sizes})
    model = T5ForConditionalGeneration._from_config(config, attn_implementation="eager")
    spread(model)
    if sizes.get("tie_word_embeddings") is False:
        # transformers 5 ties T5's head regardless; released v1.1 models have an untied head.
        head = torch.randn(config.vocab_size, config.d_model) / config.d_model**0.5
        model.lm_head.weight = torch.nn.Parameter(head)
        model.config.tie_word_embeddings = False
    return model


def make_batch(vocab_size):
    source = torch.zeros(len(SOURCE_LENGTHS), max(SOURCE_LENGTHS), dtype=torch.long)
    mask = torch.zeros_like(source)
    labels = torch.full((len(TARGET_LENGTHS), max(TARGET_LENGTHS)), -100)
    for row, length in enumerate(SOURCE_LENGTHS):
        source[row, :length] = torch.randint(3, vocab_size, (length,))
        source[row, length - 1] = 1
        mask[row, :length] = 1
    for row, length in enumerate(TARGET_LENGTHS):
        labels[row, :length] = torch.randint(3, vocab_size, (length,))
        labels[row, length - 1] = 1
    return dict(input_ids=source, attention_mask=mask, labels=labels)


def paper_router_losses(router_logits):
    """arXiv 2101.03961, eq. 4-6, and arXiv 2202.08906, eq. 5; logits [real tokens, experts]."""
    z_loss, aux_loss = torch.zeros(()), torch.zeros(())
    for logits in router_logits:
        num_experts = logits.shape[-1]
        chosen = torch.nn.functional.one_hot(logits.argmax(-1), num_experts).float()
        fraction, prob = chosen.mean(0), logits.softmax(-1).mean(0)
        aux_loss = aux_loss + num_experts * (fraction * prob).sum()
        z_loss = z_loss + logits.logsumexp(-1).square().mean()
    return z_loss, aux_loss


def expected_values(model):
    batch = make_batch(model.config.vocab_size)
    is_switch = model.config.model_type == "switch_transformers"
    options = dict(output_hidden_states=True, output_attentions=True)
    if is_switch:
        options["output_router_logits"] = True
    out = model(**batch, **options)

    values = dict(batch)
    values["logits"] = out.logits
    values["encoder_last_hidden_state"] = out.encoder_last_hidden_state
    values["decoder_last_hidden_state"] = out.decoder_hidden_states[-1]
    kinds = ["hidden_states", "attentions"]
    for name in [f"{stack}_{kind}" for stack in ("encoder", "decoder") for kind in kinds] + [
        "cross_attentions"
    ]:
        for i, value in enumerate(getattr(out, name)):
            values[f"{name}.{i}"] = value

    labels = batch["labels"]
    loss = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1), labels.flatten())
    values["ce_loss"] = loss
    if is_switch:
        real_logits = []
        real = dict(encoder=batch["attention_mask"].bool(), decoder=labels != -100)
        for stack in ("encoder", "decoder"):
            # In transformers 4.57 the logits are the first of two.
            layers = [x if torch.is_tensor(x) else x[0] for x in getattr(out, f"{stack}_router_logits")]
            for i, logits in enumerate(x for x in layers if x.dim() == 3):
                values[f"{stack}_router_logits.{i}"] = logits
                real_logits.append(logits[real[stack]])
            for kind in ("z_loss", "aux_loss"):
                value = getattr(out, f"{stack}_{kind}")
                values[f"hf_{stack}_{kind}"] = torch.as_tensor(value).float()
        values["hf_loss"] = out.loss
        z_loss, aux_loss = paper_router_losses(real_logits)
        values["router_z_loss"], values["router_aux_loss"] = z_loss, aux_loss
        config = model.config
        loss = loss + config.router_z_loss_coef * z_loss + config.router_aux_loss_coef * aux_loss
    values["loss"] = loss
    loss.backward()
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            values["grad/" + name] = weight.grad

    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    # T5 in 5.23 runs without its cache here, which gives the same values; and a decoder deeper than
    # the encoder cannot run with it.
    use_cache = is_switch and model.config.num_decoder_layers <= model.config.num_layers
    inputs.update(do_sample=False, max_new_tokens=24, use_cache=use_cache)
    with torch.no_grad():
        values["greedy"] = model.generate(**inputs)
        beam = model.generate(
            **inputs,
            num_beams=4,
            num_return_sequences=4,
            return_dict_in_generate=True,
            output_scores=True,
        )
        values["beam4"], values["beam4_scores"] = beam.sequences, beam.sequences_scores
        values["beam4_lp2"] = model.generate(
            **inputs, num_beams=4, length_penalty=2.0, early_stopping=True
        )
    return {
        name: (value.reshape(1) if value.dim() == 0 else value).detach().clone().contiguous()
        for name, value in values.items()
    }


# Name: (seed, model). The seeds were chosen so that generated text differs between sentences and ends
# in some of them.
CASES = {
    # Every layer sparse; an expert takes 2 tokens per sequence, so that tokens are dropped.
    "switch-capacity": (17, lambda: switch_model(
        num_layers=2,
        num_decoder_layers=1,
        num_sparse_encoder_layers=2,
        num_sparse_decoder_layers=1,
        num_experts=4,
        expert_capacity=2,
        router_bias=True,
    )),
    # Every second layer sparse, unequal depths, another activation.
    "switch-mixed": (11, lambda: switch_model(
        num_layers=4,
        num_decoder_layers=2,
        num_sparse_encoder_layers=2,
        num_sparse_decoder_layers=1,
        num_experts=3,
        dense_act_fn="gelu",
    )),
    # tie_word_embeddings=False in transformers 5: three embeddings and a head.
    "switch-untied": (14, lambda: switch_model(
        num_layers=2,
        num_decoder_layers=2,
        num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=2,
        num_experts=2,
        tie_word_embeddings=False,
    )),
    "t5-gated-untied": (15, lambda: t5_model(
        num_layers=1,
        num_decoder_layers=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )),
}


def main():
    here = pathlib.Path(__file__).resolve().parent
    for name, (seed, make_model) in CASES.items():
        torch.manual_seed(seed)
        model = make_model().eval()
        values = expected_values(model)
        model.save_pretrained(here / name)
        save_file(values, here / name / "expected.safetensors")
        summary = f"loss {values['loss'].item():.4f}, greedy {list(values['greedy'].shape)}"
        print(name, summary)


if __name__ == "__main__":
    main()
