# SPDX-License-Identifier: Apache-2.0
"""Lines of mixed text on which tokenizers differ: many scripts, combining marks, jamo, halfwidth kana, every kind of
whitespace, emoji, control characters, control tokens and sentinels spelled out, random characters."""

WORDS = ('Der Hund läuft über die große Straße und sieht ein rotes Auto The dog runs across the street and sees a red '
         'car Zwei junge Männer spielen heute im Garten Größe 1 2 34 5,6 naïve façade').split()
TRAINING = [' '.join(WORDS[i:i + 9]) for i in range(len(WORDS) - 9)] * 3 + [
    '日本語 の テキスト カタカナ', 'Привет мир как дела', 'हिन्दी भाषा में क्ष', '한국어 텍스트 각', 'e\u0301 o\u0308 a\u030a', '. , ! ? ( ) 。']

SPECIAL = [
    '\t', '\u00a0', '\u0085', '\u3000', '\u200b', '\u200c', '\u200d', '\u2028', '\u2581', '\ufeff', '\u00ad', '\x00', '\x1c', '\x1f',
    '\r', '  ', '   ', ' ', '</s>', '<pad>', '<unk>', '<extra_id_0>', '<extra_id_5>', '<extra_id_99>', '<extra_id_100>',
    'ｶﾞ', 'ﾊﾟ', 'ｱ', 'ﾞ', '\u1100\u1161\u11a8', '각', 'e\u0301', 'o\u0308\u0323', '\u0301', 'ﬁ', '½', '①', '㌔', '\ufdfa', '\u0958',
    '\u2126', '\u212b', 'क्ष', 'क्\u200dष', '😀', '👩\u200d👩\u200d👧', '🇩🇪', '©', '©\u200d©\u0301', '...',
    '<new>', '<NEW2>', '<l>', ' <l>', '<r>', '<r> ', '<sp>', 'ＡＢ', 'AB', ' x', 'Größe', 'e\u0301 e']

RANGES = [
    *[(0x20, 0x7E)] * 4, (0xA0, 0x17F), (0x300, 0x36F), (0x370, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0x980, 0xDFF),
    (0xE00, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x1CD0, 0x1FFF), (0x2000, 0x23FF), (0x2460, 0x27BF),
    (0x3000, 0x30FF), (0x3130, 0x33FF), (0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF),
    (0xFB00, 0xFE6F), (0xFF00, 0xFFEF), (0x11000, 0x119FF), (0x16D40, 0x16D7F), (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF),
    (0x1F300, 0x1FAFF), (0x2F800, 0x2FA1F), (0xE0000, 0xE01EF), (0x10000, 0x10FFFF), (0, 0x1F), (0x7F, 0x9F)]

# Added to a tokenizer: contents, and the arguments of AddedToken.
ADDED = [('<new>', {}), ('<NEW2>', {'lstrip': True, 'rstrip': True}), ('<sp>', {'special': True}),
         ('<l>', {'lstrip': True, 'normalized': False}), ('<r>', {'rstrip': True, 'normalized': False}),
         ('ＡＢ', {'normalized': True}), ('Größe', {}), (' x', {'normalized': False}), ('e\u0301 e', {})]


def random_part(rng):
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(SPECIAL)
    if kind < 0.6:
        begin = rng.randrange(len(WORDS))
        return ' '.join(WORDS[begin:begin + rng.randint(1, 4)])
    first, last = rng.choice(RANGES)
    codes = [rng.randint(first, last) for _ in range(rng.randint(1, 5))]
    return ''.join(chr(c) for c in codes if c != 10 and not 0xD800 <= c < 0xE000)


def mixed_lines(rng, count, longest=12):
    return [rng.choice(['', ' ', ' ']).join(random_part(rng) for _ in range(rng.randint(1, longest)))
            for _ in range(count)]
