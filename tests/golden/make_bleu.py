#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes bleu.json: scores by sacrebleu 2.6.0 (pip install sacrebleu==2.6.0) of random texts.

    python3 tests/golden/make_bleu.py > tests/golden/bleu.json
"""
import json
import random

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

assert sacrebleu.__version__ == "2.6.0"

rng = random.Random(20260101)
WORDS = """a the dog Hund läuft GRÖSSE Straße İstanbul ΟΔΟΣ ΣΑΣ 3 3.5 1,000 10-20 x-y e.g. U.S. (hi) "quoted"
'single' it's &amp; &quot; &lt;b&gt; &amp;lt; <skipped> $5 50% № € – — … „so“ «ça» 日本 語 中文。 ，全角 한국어 かな ｶﾅ
e\u0301 a\u0308 👩\u200d💻 🇩🇪 \u05e9\u05dc\u05d5\u05dd مرحبا ١٢٣ Ⅷ ½ x² ﬁ \u00ad a_b a/b {x} [y] ^ ~ ` @ # ! ? ; : . , - *
ǅ ẞ \u2019s \u2603 \u3007 \u2f81 \u2a6d \u20000 .5 5. .,. --""".split()
SPACES = [" "] * 20 + ["  ", "\u00a0", "\u3000", "\u2009", "\u200b", "\t", "\u0085", "\u2028", "\x1c", "\ufeff", "\x0b"]


def line():
    if rng.random() < 0.06:
        return rng.choice(["", " ", "\u3000", "\u00a0\u2009", "\u200b", "."])
    text = rng.choice(["", "", "", " ", "\u00a0"])
    for _ in range(rng.randint(1, 14)):
        text += rng.choice(WORDS) + rng.choice(SPACES)
    return text


def variant(text):
    """Replaces, drops and doubles some words, so that only some n-grams match."""
    out = []
    for word in text.split(" "):
        chance = rng.random()
        if chance < 0.1:
            continue
        out.append(rng.choice(WORDS) if chance < 0.2 else word)
        if chance > 0.95:
            out.append(word)
    return " ".join(out)


cases = []
for number in range(45):
    references = rng.choice([1, 1, 2, 3])
    lines = rng.choice([1, 1, 2, 5, 12])
    hypotheses = [line() for _ in range(lines)]
    refs = [[variant(h) if rng.random() < 0.85 else line() for h in hypotheses] for _ in range(references)]
    tokenize = ["13a", "zh", "intl", "char", "none"][number % 5]
    smooth = rng.choice(["exp", "exp", "floor", "add-k", "none"])
    bleu = BLEU(tokenize=tokenize, smooth_method=smooth, lowercase=number % 3 == 1, effective_order=lines == 1, force=True)
    score = bleu.corpus_score(hypotheses, refs)
    word_order, beta = rng.choice([(0, 2), (2, 2), (1, 3)])
    chrf = CHRF(word_order=word_order, beta=beta)
    chrf_score = chrf.corpus_score(hypotheses, refs)
    cases.append({
        "hypotheses": hypotheses, "references": refs,
        "bleu": {"tokenize": tokenize, "smooth": smooth, "lowercase": number % 3 == 1, "effective_order": lines == 1,
                 "score": score.score, "signature": str(bleu.get_signature()), "details": score._verbose},
        "chrf": {"word_order": word_order, "beta": beta, "score": chrf_score.score, "name": chrf_score.name,
                 "signature": str(chrf.get_signature())},
    })
print(json.dumps(cases, indent=0))
