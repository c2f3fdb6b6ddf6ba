#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what sacreBLEU's tokenizer intl needs to know of every code point: unicode_ranges.inc, the
character classes as defined by `regex`, and intl.json, the tokenizer's output, for tests.

    pip install sacrebleu==2.6.0 regex==2026.11.19
    python3 tests/golden/make_unicode.py
"""
import json
import os

import regex
import sacrebleu
from sacrebleu.tokenizers.tokenizer_intl import TokenizerV14International

UNICODE = '18.0.0'  # according to the documentation of regex 2026.11.19
assert sacrebleu.__version__ == '2.6.0' and regex.__version__ == '2026.11.19'
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def runs(values):
    """Run-length encodes the values: [first code point, value] of each run."""
    found = []
    for c, value in zip(CODE_POINTS, values):
        if not found or found[-1][1] != value:
            found.append([c, value])
    return found


def ranges_of(name):
    is_in = regex.compile(r'\p{%s}' % name)
    found = runs(bool(is_in.match(chr(c))) for c in CODE_POINTS) + [[0x110000, False]]
    return [(begin, end - 1) for (begin, inside), (end, _) in zip(found, found[1:]) if inside]


def lines(items, width=96):
    """Joins the items with spaces into lines of at most this width."""
    line = ''
    for item in items:
        if line and len(line) + 1 + len(item) > width:
            yield line
            line = ''
        line += (' ' if line else '') + item
    yield line


with open(os.path.join(ROOT, 'src/text/unicode_ranges.inc'), 'w') as out:
    out.write('// SPDX-License-Identifier: Apache-2.0\n'
              f'// Made by tests/golden/make_unicode.py: general categories of Unicode {UNICODE}.\n')
    for name, array in [('N', 'kNumbers'), ('P', 'kPunctuation'), ('S', 'kSymbols')]:
        out.write(f'constexpr Range {array}[] = {{\n')
        for line in lines(f'{{0x{first:X}, 0x{last:X}}},' for first, last in ranges_of(name)):
            out.write(f'    {line}\n')
        out.write('};\n')

# Their output shows which of the three classes a character is in.
PROBES = ['a{}a', '1{}1', '{}.', '.{}']
tokenize = TokenizerV14International()
outputs = []


def output(c):
    """Index into `outputs` of the tokenized probes, with X in place of the character."""
    text = [tokenize(probe.format(chr(c))).replace(chr(c), 'X') for probe in PROBES]
    if text not in outputs:
        outputs.append(text)
    return outputs.index(text)


first_output = runs(map(output, CODE_POINTS))
with open(os.path.join(ROOT, 'tests/golden/intl.json'), 'w') as out:
    out.write('{"probes": ' + json.dumps(PROBES) + ',\n "outputs": ' + json.dumps(outputs) + ',\n "runs": [\n')
    text = json.dumps(first_output, separators=(',', ':'))[1:-1].replace('],[', '], [')
    out.write('\n'.join(lines(text.split(' '))) + '\n]}\n')
