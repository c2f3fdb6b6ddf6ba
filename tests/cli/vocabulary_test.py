# SPDX-License-Identifier: Apache-2.0
"""What the tools say about a vocabulary that does not fit the text.
usage: vocabulary_test.py SWITCH_TRAIN SWITCH_TRANSLATE SWITCH_EVALUATE
"""
import os
import random
import subprocess
import sys
import tempfile

from checks import check, exit_code

TRAIN, TRANSLATE, EVALUATE = (os.path.abspath(tool) for tool in sys.argv[1:])
LATIN = [a + b for a in 'bdfgkm' for b in 'aeiou']
CYRILLIC = [a + b for a in 'бдгкм' for b in 'аеиоу']
UNKNOWN = '\u2047'


def write(name, lines):
    with open(name, 'w') as file:
        for line in lines:
            print(line, file=file)


def sentences(words, count, seed):
    rng = random.Random(seed)
    return [' '.join(rng.choice(words) for _ in range(rng.randint(2, 6))) for _ in range(count)]


def run(*args, stdin=subprocess.DEVNULL, **how):
    return subprocess.run(args, stdin=stdin, capture_output=True, text=True, **how)


def train(model, source, target, *more, after='1u'):
    return run(TRAIN, '--train-sets', source, target, '--model', model, '--preset', 'tiny', '--threads', '1',
               '--d-model', '16', '--d-ff', '16', '--num-layers', '1', '--num-decoder-layers', '1',
               '--num-experts', '2', '--valid-metrics', 'chrf', '--after', after, *more)


def warnings(result):
    return [line for line in result.stderr.splitlines() if ': warning: ' in line]


def test_size():
    """More characters than --vocab-size: the message says which size suffices, and it does."""
    write('many', [chr(0x4E00 + i) + ' ' + chr(0x4E00 + i) for i in range(200)])
    sets = ['many', 'many', '--valid-sets', 'many', 'many']
    small = train('size', *sets, '--vocab-size', '100')
    expected = ('many, many: the text has 201 distinct characters, each of which needs its own piece '
                'besides <pad>, </s> and <unk>; found --vocab-size 100, expected at least 204')
    check(small.returncode == 3 and small.stderr.endswith(f'switch-train: error: {expected}\n'), small.stderr)
    enough = train('size', *sets, '--vocab-size', '204', '--overwrite')
    check(enough.returncode == 0 and not warnings(enough), enough.stderr)


def test_long_lines():
    """Letters that occur only in long lines are in the vocabulary."""
    pairs = sentences(LATIN, 600, 1)
    for i in range(0, 600, 20):
        pairs[i] = ' '.join(CYRILLIC * 60)
    write('long', pairs)
    write('cyrillic', sentences(CYRILLIC, 50, 2))
    result = train('long_lines', 'long', 'long', '--valid-sets', 'cyrillic', 'cyrillic', '--vocab-size', '200')
    check(result.returncode == 0 and not warnings(result), f'letters of long lines: {result.stderr}')


def test_normalization():
    """A warning shows what normalization changes in target lines; identity changes nothing."""
    write('latin', sentences(LATIN, 300, 3))
    write('wide', [line + ' ab，cd！' for line in sentences(LATIN, 300, 4)])
    lost = train('lossy', 'latin', 'wide', '--vocab-size', '60')
    expected = ('switch-train: warning: wide: the vocabulary\'s normalization alters 100.0% of 270 lines: "')
    check(lost.returncode == 0 and len(warnings(lost)) == 1, lost.stderr)
    for words in (expected, ' ab，cd！" becomes "', ' ab,cd!", in translations too', '--normalization identity'):
        check(words in lost.stderr, f'"{words}" in {lost.stderr}')
    loaded = train('loaded', 'latin', 'wide', '--vocab', 'lossy/spiece.model')
    check(expected in loaded.stderr, 'the same for a loaded vocabulary: ' + loaded.stderr)
    source = train('source', 'wide', 'latin', '--vocab', 'lossy/spiece.model')
    check(source.returncode == 0 and not warnings(source), 'a source may lose characters: ' + source.stderr)
    kept = train('lossless', 'latin', 'wide', '--vocab-size', '60', '--normalization', 'identity')
    check(kept.returncode == 0 and 'alters' not in kept.stderr, kept.stderr)
    both = train('both', 'latin', 'wide', '--vocab', 'lossy/spiece.model', '--normalization', 'nfkc')
    check(both.returncode == 2 and '--normalization: has no effect here' in both.stderr, both.stderr)


def test_unknown():
    """Text in letters that are not in the vocabulary, in all three tools."""
    write('cyrillic.src', sentences(CYRILLIC, 300, 5))
    write('cyrillic.tgt', sentences(CYRILLIC, 300, 6))
    write('latin.src', sentences(LATIN, 300, 7))
    known = train('known', 'latin.src', 'latin.src', '--vocab-size', '60')
    check(known.returncode == 0 and not warnings(known), known.stderr)
    vocabulary = ['--vocab', 'known/spiece.model', '--learn-rate', '0.01', '--lr-warmup', '0']
    result = train('unknown', 'cyrillic.src', 'cyrillic.tgt', '--valid-sets', 'cyrillic.src', 'latin.src',
                   *vocabulary, after='60u')
    check(result.returncode == 0 and len(warnings(result)) == 3, result.stderr)
    for name in ('cyrillic.src (training source)', 'cyrillic.tgt (training target)',
                 'cyrillic.src (validation source)'):
        check(f'switch-train: warning: {name}: 50.0% of ' in result.stderr, f'{name}: {result.stderr}')
    first = [word for word in open('cyrillic.src').read().split()]
    examples = list(dict.fromkeys(first))[:3]
    check(', such as ' + ', '.join(f'"{word}"' for word in examples) in result.stderr,
          f'{examples}: {result.stderr}')

    # Both sides in one file, with a tenth of it held out.
    with open('cyrillic.src') as source, open('cyrillic.tgt') as target:
        write('pairs', [a.strip() + '\t' + b.strip() for a, b in zip(source, target)])
    tsv = run(TRAIN, '--tsv', '--train-sets', 'pairs', '--model', 'tsv', '--preset', 'tiny', '--threads', '1',
              '--after', '1u', '--vocab', 'known/spiece.model')
    check('pairs (training target): 50.0% of ' in tsv.stderr and 'pairs (validation source): ' in tsv.stderr,
          tsv.stderr)

    translate = [TRANSLATE, '-q', '-m', 'unknown', '--threads', '1', '--max-output-length', '8']
    for beam in ('1', '4'):
        with open('cyrillic.src') as text:
            found = run(*translate, '-b', beam, stdin=text)
        check(UNKNOWN in found.stdout, f'a model that has learned <unk> generates it: {found.stdout[:200]}')
        check('switch-translate: warning: stdin: 50.0% of ' in found.stderr, found.stderr)
        check(found.stderr.count('unknown to the vocabulary') == 1, 'once: ' + found.stderr)
        check(' target tokens are <unk>, printed as U+2047; --no-unk prevents it' in found.stderr, found.stderr)
        with open('cyrillic.src') as text:
            barred = run(*translate, '-b', beam, '--no-unk', stdin=text)
        check(barred.stdout.count('\n') == 300 and UNKNOWN not in barred.stdout, barred.stdout[:200])
        check('--no-unk prevents it' not in barred.stderr, barred.stderr)
    with open('latin.src') as text:
        check(not any('unknown to' in line for line in warnings(run(*translate, '--no-unk', stdin=text))),
              'no warning for known text')
    streamed_warnings(translate)

    write('output', ['ba \u2047 be', 'ba be \u2047.'] + ['ba be bi'] * 40)
    write('reference', ['ba be bi'] * 42)
    scored = run(EVALUATE, 'reference', '-i', 'output', '-b')
    check(scored.returncode == 0 and not scored.stderr, '1 of 126 words is few: ' + scored.stderr)
    write('output', ['ba be bi'] * 40 + ['ba \u2047 be', '<unk> be bi'])
    scored = run(EVALUATE, 'reference', '-i', 'output', '-b')
    check(scored.stderr == 'switch-evaluate: warning: output: 1.6% of 126 words are unknown tokens (U+2047 or '
          '<unk>), the first in line 41: "ba \u2047 be"\n', scored.stderr)


def streamed_warnings(command):
    """A warning at the first unknown token, not per line, and one with the final share at the end."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    for line in ('ба ba', 'ба ба', 'ba'):
        process.stdin.write(line + '\n')
        process.stdin.flush()
        process.stdout.readline()
    process.stdin.close()
    lines = [line for line in process.stderr if 'unknown to the vocabulary' in line]
    process.wait()
    check(len(lines) == 2 and 'of 3 tokens' in lines[0] and 'of 8 tokens' in lines[1], f'streamed: {lines}')


def test_transformers():
    """A vocabulary that transformers reads differently; a resumed run writes none and does not warn."""
    write('plain', sentences(LATIN, 300, 8))
    train('usual', 'plain', 'plain', '--vocab-size', '60')
    with open('usual/spiece.model', 'rb') as file:
        model = file.read()
    with open('unusual.model', 'wb') as file:
        file.write(model + b'\x1a\x02\x18\x00')  # NormalizerSpec.add_dummy_prefix: false
    command = ['prefixless', 'plain', 'plain', '--vocab', 'unusual.model']
    begun = train(*command)
    check(warnings(begun) == ['switch-train: warning: prefixless/spiece.model: transformers will tokenize some '
                              'text differently from this program, because add_dummy_prefix is false'], begun.stderr)
    resumed = train(*command, after='2u')
    check(resumed.returncode == 0 and not warnings(resumed), resumed.stderr)


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        test_size()
        test_long_lines()
        test_normalization()
        test_unknown()
        test_transformers()
    sys.exit(exit_code())


main()
