# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/grapheme_ranges.inc: Unicode's Grapheme_Cluster_Break and Indic_Conjunct_Break
classes (UAX #29) as the library `tokenizers` applies them, which tokenizer.json files depend on.

The classes are measured: with rules that replace every character, `Precompiled` replaces a
grapheme cluster below 6 bytes once and a longer one character by character, so the length of the
result tells where it broke.

  make_graphemes.py [OUTPUT]          made with tokenizers 0.23.3 (Unicode 17.0)
"""

import pathlib
import struct
import sys

import tokenizers
from tokenizers import normalizers

GRAVE, ZWJ, COPYRIGHT = "\u0300", "\u200d", "\u00a9"
LEAD, VOWEL, TRAIL, SYLLABLE = "\u1100", "\u1160", "\u11a8", "\uac00"
KA, VIRAMA = "\u0915", "\u094d"


def rules_for_every_character():
    """A double-array trie with a leaf after each character, all with the replacement "x"."""
    states = ["start", "one", "two", "three", "leaf"]  # how many more bytes a character needs
    block = {state: 256 * (i + 1) for i, state in enumerate(states)}
    units = [0x80000000] * (256 * (len(states) + 1))
    units[0] = block["start"] << 10

    def link(state, first, last, target):
        for byte in range(first, last + 1):
            at = block[state] ^ byte
            units[at] = (at ^ block[target]) << 10 | (target == "leaf") << 8 | byte

    link("start", 0x01, 0x7F, "leaf")
    link("start", 0xC2, 0xDF, "one")
    link("start", 0xE0, 0xEF, "two")
    link("start", 0xF0, 0xF4, "three")
    for state, target in (("one", "leaf"), ("two", "one"), ("three", "two")):
        link(state, 0x80, 0xBF, target)
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + b"x\0"


NORMALIZER = normalizers.Precompiled(rules_for_every_character())


def count(text):
    return len(NORMALIZER.normalize_str(text))


def hangul(c):
    before_vowel = count(c + VOWEL + GRAVE) == 3
    before_trail = count(c + TRAIL + GRAVE) == 3
    after_vowel = len(c.encode()) == 4 or count(VOWEL + c + GRAVE) == 3
    if before_vowel and not before_trail:
        return "kLead"
    if before_trail and after_vowel:
        return "kVowel" if before_vowel else "kTrail"
    if before_trail:
        return "kLv" if before_vowel else "kLvt"
    return None


def break_class(c):
    if count("a" + c) == 1:
        if c == ZWJ:
            return "kZwj"
        if count(COPYRIGHT + c + ZWJ + COPYRIGHT + GRAVE) != 5:
            return "kSpacingMark"
        if count(KA + c + KA + GRAVE) == 4:
            return "kLinker"
        return "kConjunctExtend" if count(KA + VIRAMA + c + KA + GRAVE) == 5 else "kExtend"
    if count(c + GRAVE + GRAVE) == 2:
        return "kControl"
    if count(c + "a") == 1:
        return "kPrepend"
    if "\U0001f1e6" <= c <= "\U0001f1ff":
        return "kRegional"
    if count(COPYRIGHT + ZWJ + c) == 3:
        return "kPictographic"
    if count(c + VIRAMA + KA + GRAVE) == 4:
        return "kConsonant"
    return hangul(c)


def main():
    default = pathlib.Path(__file__).parents[2] / "src/text/grapheme_ranges.inc"
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    ranges = []
    for code in range(0x7F, 0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        name = break_class(chr(code))
        if 0xAC00 <= code <= 0xD7A3:  # computed, not listed
            assert name == ("kLvt" if (code - 0xAC00) % 28 else "kLv"), hex(code)
            continue
        if name is None:
            continue
        if ranges and ranges[-1][1:] == [code - 1, name]:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, name])
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "// Made by tests/golden/make_graphemes.py: grapheme clusters as tokenizers "
        f"{tokenizers.__version__} breaks them.",
        "constexpr Range kRanges[] = {",
    ]
    line = "   "
    for first, last, name in ranges:
        item = f" {{0x{first:X}, 0x{last:X}, {name}}},"
        if len(line) + len(item) > 100:
            lines.append(line)
            line = "   "
        line += item
    lines += [line, "};"]
    output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
