# SPDX-License-Identifier: Apache-2.0
"""Bad spiece.model files, in a model directory and as --vocab: damaged, hostile, or another model's.

Every file here is harmless: SentencePiece 0.1.97 works with it or rejects it itself.
"""
import os
import random
import struct

from faults.judge import Models, run as run_tool
from faults.streams import TINY

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
PIECE, TRAINER, NORMALIZER = 1, 2, 3  # fields of the message


def varint(value):
    out = b''
    while value >= 0x80:
        out += bytes([0x80 | value & 0x7F])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A protobuf field: bytes or an integer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def piece(text, score=0.0, kind=NORMAL):
    text = text.encode() if isinstance(text, str) else text
    return field(PIECE, field(1, text) + varint(2 << 3 | 5) + struct.pack('<f', score) + field(3, kind))


CONTROLS = piece('<pad>', 0, CONTROL) + piece('</s>', 0, CONTROL) + piece('<unk>', 0, UNKNOWN)
SMALL = CONTROLS + piece('\u2581', -1) + piece('a', -2) + piece('b', -3)


def nested_symbols(count, kind=USER_DEFINED):
    return b''.join(piece('b' * (i + 2), 0, kind) for i in range(count))


# SentencePiece rejects a model with this and no byte pieces, which our check leaves to it.
BYTES_MISSING = field(TRAINER, field(35, 1))


def charsmap(units, replacements, size=None):
    """A model with these rules: a double array of 32-bit units, and texts that end in NUL."""
    trie = struct.pack(f'<{len(units)}I', *units)
    blob = struct.pack('<I', len(trie) if size is None else size) + trie + replacements
    return SMALL + field(NORMALIZER, field(2, blob))


def trie(root, count=256, **units):
    """Units that match no byte, except for the root and those given by position (_N=value)."""
    found = [1 << 31] * count
    found[0] = root
    for position, value in units.items():
        found[int(position[1:])] = value
    return found


OFFSET_1 = 1 << 10  # the children of such a unit are at 1 ^ byte
LEAF = 1 << 8
WIDE = 1 << 9  # the offset is in units of 256
# Follows a trie and ends the replacements: what is looked up behind the trie matches nothing.
PADDING = struct.pack('<256I', *[1 << 31] * 256) + b'\0'


def chain(levels, leaf=0):
    """A trie with a single path of b's; every node, including the root, has this leaf bit."""
    units = trie(256 << 10 | leaf, 256 * (levels + 2))
    for level in range(1, levels + 1):
        at = 256 * level ^ ord('b')
        units[at] = (at ^ 256 * (level + 1)) << 10 | leaf | ord('b')
    return units

DAMAGED = [
    ('empty', b'', 'empty'),
    ('text', b'hello world\n' * 20, ''),
    ('HTML', b'<!DOCTYPE html><html></html>', ''),
    ('noise', random.Random(5).randbytes(5000), ''),
    ('cut', SMALL[:-1], 'truncated or damaged'),
    ('a length of 2^63', b'\x0a' + varint(2**63), 'truncated or damaged'),
    ('an endless length', b'\x0a' + b'\xff' * 20, ''),
    ('nested groups', b'\x0b' * 100_000, 'wire type 3'),
    ('a field of number 0', SMALL + bytes(2), 'bad field key'),
    ('gzip', b'\x1f\x8b\x08' + bytes(50), ''),
    ('no pieces', field(TRAINER, field(3, 1)), 'no pieces'),
    ('a piece of 1,025 bytes', SMALL + piece('x' * 1025), '1025 bytes'),
    ('NUL in a piece', SMALL + piece('x\0y'), 'NUL'),
    ('an empty piece', SMALL + piece(''), 'piece 6 is empty'),
    ('a piece twice', SMALL + piece('a'), 'twice'),
    ('no unknown piece', SMALL.replace(piece('<unk>', 0, UNKNOWN), b''), '0 unknown'),
    ('two unknown pieces', SMALL + piece('<unk2>', 0, UNKNOWN), '2 unknown'),
    ('no end of sentence', SMALL.replace(piece('</s>', 0, CONTROL), b''), '</s>'),
    ('score NaN', SMALL + piece('c', float('nan')), 'not finite'),
    ('score inf', SMALL + piece('c', float('inf')), 'not finite'),
    ('score -inf', SMALL + piece('c', float('-inf')), 'not finite'),
    ('byte pieces missing', SMALL + piece('<0x41>', 0, BYTE) + BYTES_MISSING, ''),
    ('65 nested symbols', SMALL + nested_symbols(65) + BYTES_MISSING, 'nest deeper'),
    ('65 nested symbols of a type beyond 32 bits',
     SMALL + nested_symbols(65, USER_DEFINED + (1 << 32)) + BYTES_MISSING, 'nest deeper'),
    ('another algorithm', SMALL + field(TRAINER, field(3, 2)), 'model type 2'),
    ('charsmap of 3 bytes', SMALL + field(NORMALIZER, field(2, b'abc')), 'charsmap: truncated'),
    ('charsmap longer than it is', charsmap(trie(OFFSET_1), b'\0', size=1 << 31), 'charsmap: a trie of'),
    ('charsmap of trie alone', charsmap(trie(OFFSET_1), b''), 'charsmap: a trie of'),
    ('charsmap without its last NUL', charsmap(trie(OFFSET_1), b'x'), 'NUL'),
    ('charsmap with a short trie', charsmap(trie(OFFSET_1, 8), PADDING), 'charsmap: a trie of'),
    ('charsmap with a root outside', charsmap(trie(256 << 10), PADDING), 'out of range'),
    ('charsmap with a wide root outside', charsmap(trie(OFFSET_1 | WIDE), PADDING), 'out of range'),
    ('charsmap with a node outside', charsmap(trie(OFFSET_1, _64=256 << 10 | 65), PADDING), 'out of range'),
    ('charsmap with a leaf outside', charsmap(trie(OFFSET_1 | LEAF, _1=1 << 31 | 100), b'\0'),
     'a replacement is out of range'),
    ('charsmap with a loop', charsmap(trie(OFFSET_1, _64=65 << 10 | 65), b'\0'), 'loop'),
    ('charsmap with a long path', charsmap(chain(257), b'\0'), 'loop'),
    ('charsmap with nested rules', charsmap(chain(32, LEAF), b'b\0'), 'rules nest too deep'),
]


def set_pieces(content):
    def spoil(directory):
        with open(os.path.join(directory, 'spiece.model'), 'wb') as file:
            file.write(content)
    return spoil


def train_with(judge, case, code, words, vocabulary):
    """Expects switch-train --vocab to reject it before training anything."""
    with open('text', 'w') as file:
        file.write('a b\nb a\n' * 10)
    judge.refused(case, code, words,
                  [judge.tools.train, '-q', '--threads', '1', '-t', 'text', 'text', '-m', 'out',
                   '--preset', 'tiny', '--vocab', vocabulary], inputs=['text'])


# A complete model that does not depend on the trainer.
WHOLE = SMALL + b''.join(piece(text, -3 - i / 8) for i, text in enumerate(
    ['ab', 'cd', 'ef', '\u2581ab', '\u2581cd', 'gh', 'ij', '.', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']))


def flipped_bits(models):
    """Either rejected, or it translates somehow."""
    rng = random.Random(3)
    for _ in range(40):
        content = bytearray(WHOLE)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        directory = models.spoiled(set_pieces(bytes(content)))
        found = run_tool(models.command(directory), stdin=models.TEXT)
        models.judge.check('flipped bits', found.code in (0, 3) and
                           (found.code == 0) == (found.out.count(b'\n') == 3),
                           f'{found.code}, {found.out}, {found.err}')


def another_at_resume(judge):
    """A run resumes only with its own vocabulary, even if another has the same size."""
    with open('pairs', 'w') as file:
        file.write('ab cd ef\ngh ij\n' * 20)
    command = [judge.tools.train, '-q', '-t', 'pairs', 'pairs', '-m', 'run', *TINY]
    judge.works('a run', command + ['--after', '1u'])
    with open('run/spiece.model', 'rb') as file:
        content = file.read()
    first = content.index(b'\x15') + 1  # the first piece's score
    with open('run/spiece.model', 'wb') as file:
        file.write(content[:first] + struct.pack('<f', -3) + content[first + 4:])
    judge.refused('another vocabulary of the same size', 3, ['run: not what this run was trained with: the vocabulary'],
                  command + ['--after', '2u'], inputs=['run/checkpoint-1'])


def run(judge):
    models = Models(judge)
    with open('good/spiece.model', 'rb') as file:
        good = file.read()
    models.refused('no spiece.model', 3, ['spoiled', 'no spiece.model'],
                   lambda directory: os.remove(os.path.join(directory, 'spiece.model')))
    train_with(judge, 'no --vocab', 1, ['missing.model'], 'missing.model')
    for case, content, word in DAMAGED:
        models.refused(case, 3, ['spiece.model: ', word], set_pieces(content))
        set_pieces(content)('.')
        train_with(judge, '--vocab: ' + case, 3, ['spiece.model: ', word], 'spiece.model')
    for case, content, words in [
            ('more pieces than the model', good + b''.join(piece(f'more{i}') for i in range(5000)),
             ['pieces, expected at most the model\'s vocab_size']),
            ('another end of sentence', piece('x') + piece('y') + SMALL.replace(piece('b', -3), b''),
             ['eos has id 3, expected the model\'s eos_token_id 1']),
            ('another padding', piece('<x>', 0, CONTROL) + piece('</s>', 0, CONTROL) +
             piece('<unk>', 0, UNKNOWN) + piece('<pad>', 0, CONTROL) + piece('a'),
             ['pad has id 3, expected the model\'s pad_token_id 0'])]:
        models.refused(case, 3, ['spiece.model: ', *words], set_pieces(content))
    # At the limits.
    for case, content in [('64 nested symbols', SMALL + nested_symbols(63)),
                          ('a piece of 1 kB', SMALL + piece('x' * 1024)),
                          ('charsmap without rules', charsmap(trie(OFFSET_1), b'\0'))]:
        directory = models.spoiled(set_pieces(content))
        out = judge.works(case, models.command(directory), stdin=b'b' * 100 + b'\n' + b'x' * 3000 + b'\n')
        judge.check(case, out.count(b'\n') == 2, f'{out}')
    flipped_bits(models)
    another_at_resume(judge)
