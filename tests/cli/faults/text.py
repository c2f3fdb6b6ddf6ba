# SPDX-License-Identifier: Apache-2.0
"""Odd text for every tool: one line out per line in, and files that are not text are named."""
import gzip
import json
import os
import random

from faults.judge import Models, run as run_tool

ODD_LINES = [
    ('empty', b''), ('blank', b'   '), ('tabs', b'\t \t'), ('U+3000', '\u3000\u3000'.encode()),
    ('zero width', '\u200b\u200d\ufeff'.encode()), ('NUL', b'ab\0cd'), ('NUL alone', b'\0'),
    ('a carriage return', b'ab\rcd'), ('two of them', b'ab\r\r'), ('U+2028', 'ab\u2028cd'.encode()),
    ('U+0085', 'ab\u0085cd'.encode()), ('form feed', b'ab\x0b\x0c\x1ccd'),
    ('overlong', b'ab \xc0\xaf'), ('surrogate', b'\xed\xa0\x80 cd'), ('beyond', b'\xf5\x80\x80\x80'),
    ('cut at the end', b'ab \xe2\x82'), ('Latin-1', 'gr\xfc\xdfe'.encode('latin-1')),
    ('a mark inside', b'ab \xef\xbb\xbf cd'), ('control tokens', b'</s> <pad> <unk> <s> <extra_id_0>'),
    ('the space mark', '\u2581ab\u2581 \u2581'.encode()), ('the unknown mark', '\u2585 \u2047'.encode()),
    ('escape codes', b'\x1b[31mred\x1b[0m'), ('DEL', b'\x7f'),
    ('joined emoji', '\U0001f469\u200d\U0001f469\u200d\U0001f467'.encode()),
    ('right to left', '\u202e\u0645\u0631\u062d\u0628\u0627 \u05e9'.encode()),
    ('private use', '\ue000\U0010fffd'.encode()), ('noncharacter', '\ufffe\U0001ffff'.encode()),
    ('10,000 marks', ('e' + '\u0301' * 10_000).encode()), ('n-best mark', b'a ||| b ||| -1'),
    ('1 MB', b'x' * 1_000_000), ('1 MB of words', b'ab cd ' * 170_000),
]
ALL = b'\n'.join(line for _, line in ODD_LINES) + b'\n'
# Each is an error for every tool that reads it as text.
NO_TEXT = [
    ('utf16', 'ab cd\n'.encode('utf-16'), 'looks like UTF-16'),
    ('utf16be', b'\xfe\xff' + 'ab cd\n'.encode('utf-16-be'), 'looks like UTF-16'),
    ('utf16bare', 'ab cd\n'.encode('utf-16-le') * 100, 'looks like UTF-16'),
    ('utf32', 'ab cd\n'.encode('utf-32'), 'looks like UTF-32'),
    ('packed', gzip.compress(b'ab\n'), 'looks like gzip'),
    ('zip', b'PK\3\4' + bytes(60), 'looks like a zip'),
    ('noise', random.Random(2).randbytes(4000), 'looks like binary'),
    ('plain.gz', b'ab cd\n', 'not a gzip file'),
    ('empty.gz', b'', 'not a gzip file'),
    ('cut.gz', gzip.compress(random.Random(1).randbytes(50_000).hex().encode())[:-2000], 'damaged gzip'),
    ('flipped.gz', gzip.compress(b'ab\n' * 9)[:-8] + bytes(8), 'damaged gzip'),
]


def write(name, content):
    with open(name, 'wb') as file:
        file.write(content)
    return name


def translated(models, case, command, lines, **how):
    """Expects exit code 0 and this many lines of UTF-8. Returns the lines."""
    out = models.judge.works(case, command, **how)
    try:
        out.decode()
    except UnicodeDecodeError as error:
        models.judge.check(case, False, str(error))
    found = out.split(b'\n')
    models.judge.check(case, len(found) - 1 == lines and found[-1] == b'',
                       f'{len(found) - 1} lines, expected {lines}')
    return found[:-1]


def is_utf8(line):
    try:
        line.decode()
        return True
    except UnicodeDecodeError:
        return False


def lines_of_translations(models):
    judge, command = models.judge, models.command('good')
    together = translated(models, 'all odd lines', command, len(ODD_LINES), stdin=ALL)
    for (case, line), expected in zip(ODD_LINES, together):
        alone = translated(models, case, command, 1, stdin=line + b'\n')
        judge.check(case, alone == [expected], f'alone {alone}, among others {expected}')
        if not line.decode(errors='replace').strip(' \t\u3000'):
            judge.check(case, expected == b'', f'{expected} for a blank line')
    judge.works('invalid bytes are counted', command, ['5 places of invalid UTF-8', 'the first in line 2'],
                stdin=b'ab\n\xc0\xaf\n\xed\xa0\x80\n')
    judge.refused('--strict', 3, ['stdin:2: not UTF-8'], command + ['--strict'],
                  stdin=b'ab\n\xc0\xaf\n\xed\xa0\x80\n')
    judge.works('a cropped line is named', command, ['stdin:2: cropped'], stdin=b'ab\n' + b'x' * 100_000)
    # A spelled-out control token does not end the sentence.
    with_score = command + ['--scores']
    one, two = translated(models, '</s>', with_score, 2, stdin=b'ab </s> cd ef gh\nab\n')
    judge.check('</s>', one != two, 'the text after it is ignored')


def ends_of_lines(models):
    command = models.command('good')
    expected = translated(models, 'LF', command, 3, stdin=b'ab\n\ncd\n')
    for case, text in [('CRLF', b'ab\r\n\r\ncd\r\n'), ('no end of the last line', b'ab\n\ncd'),
                       ('byte order mark', b'\xef\xbb\xbfab\n\ncd\n')]:
        found = translated(models, case, command, 3, stdin=text)
        models.judge.check(case, found == expected, f'{found}, expected {expected}')
        packed = write('text.gz', gzip.compress(text))
        found = translated(models, case + ', gzip', command + ['-i', packed], 3)
        models.judge.check(case + ', gzip', found == expected, f'{found}, expected {expected}')
    parts = write('parts.gz', gzip.compress(b'ab\n\n') + gzip.compress(b'cd\n'))
    found = translated(models, 'two gzip members', command + ['-i', parts], 3)
    models.judge.check('two gzip members', found == expected, f'{found}')
    translated(models, 'no line', command, 0, stdin=b'')
    translated(models, 'an empty line', command, 1, stdin=b'\n')
    translated(models, 'gzip of nothing', command + ['-i', write('none.gz', gzip.compress(b''))], 0)


def carriage_returns(models):
    """Lines that end in CR alone are a single line to every tool, with a warning."""
    judge = models.judge
    mac = write('mac', b''.join(b'ab cd %d\r' % i for i in range(40)))
    write('lines', b'ab cd\nef gh\n' * 20)
    write('mixed', b'ab\ncd\r\n' * 10 + b'ab\rcd\ref\n' + b'gh\n')
    words = ['mac:1: CR line ends?', '40 carriage returns', 'only LF and CRLF end a line']
    translate = models.command('good')
    train = [judge.tools.train, '-q', '--threads', '1', '--preset', 'tiny', '-m', 'never']
    translated(models, 'CR line ends', translate + ['-i', mac], 1)
    judge.works('CR line ends to translate', translate + ['-i', mac], words)
    judge.works('CR line ends on stdin', translate, [words[0].replace('mac', 'stdin'), *words[1:]],
                stdin=open(mac, 'rb').read())
    judge.works('CR line ends to score', [judge.tools.evaluate, mac, '-i', mac], words)
    packed = write('mac.gz', gzip.compress(open(mac, 'rb').read()))
    judge.works('CR line ends, gzip', [judge.tools.evaluate, packed, '-i', packed], ['mac.gz:1: CR line ends?'])
    for case, sets in [('to train on', ['-t', mac, mac]), ('to validate on', ['-t', 'lines', 'lines', '--valid-sets', mac, mac]),
                       ('as TSV', ['--tsv', '-t', write('mac.tsv', b'ab\rcd\tef\rgh\r')])]:
        found = run_tool(train + sets + ['--dry-run'])
        judge.check('CR line ends ' + case, ':1: CR line ends?' in found.err, found.err)
    judge.works('CR among others', translate + ['-i', 'mixed'], ['mixed:21: CR line ends?', '2 carriage returns'])
    judge.works('every other line ends in CR', translate, ['stdin:10: CR line ends?', '1 carriage return in'],
                stdin=b'ab\rcd\n' * 10)
    judge.works('two sentences', translate, ['stdin:1: CR line ends?', '1 carriage return in'], stdin=b'ab\rcd')
    for case, text in [('CRLF', b'ab\r\ncd\r\n'), ('a stray CR', b'ab\rcd\nef\n'), ('CRCRLF', b'ab\r\r\n' * 20),
                       ('CR in a third of the lines', b'ab\ncd\nef\rgh\n' * 20)]:
        found = run_tool(translate, stdin=text)
        judge.check(case, found.code == 0 and 'CR line ends' not in found.err, found.err)


def large_text(models):
    """A line of 100 MB needs little more than its size; 200,000 lines no more than 10,000 lines."""
    with open('large', 'wb') as file:
        for _ in range(100):
            file.write(b'x' * 1_000_000)
        file.write(b'\nab\n')
    translated(models, '100 MB', models.command('good') + ['-i', 'large'], 2)
    found = run_tool(models.command('good') + ['-i', 'large'])
    limit = os.path.getsize('large') + models.judge.memory_bytes
    models.judge.check('100 MB', found.memory_bytes < limit, f'{found.memory_bytes >> 20} MB')
    os.remove('large')
    memory = []
    for lines in (10_000, 200_000):
        found = run_tool(models.command('good') + ['-b', '1'],
                         stdin=b'ab\n\n' * (lines // 2))
        models.judge.check(f'{lines} lines', found.out.count(b'\n') == lines, found.err)
        memory.append(found.memory_bytes)
    models.judge.check('many lines', memory[1] < memory[0] + (8 << 20), f'memory {memory}')


def no_text(judge, good):
    write('lines', b'ab\n')
    train = [judge.tools.train, '-q', '--threads', '1', '--preset', 'tiny', '-m', 'out']
    for name, content, word in NO_TEXT:
        write(name, content)
        words = [name + ': ', word]
        judge.refused(f'{name} to translate', 3, words, good + ['-i', name], inputs=[name])
        if not name.endswith('.gz'):
            judge.refused(f'{name} on stdin', 3, ['stdin: ', word], good, stdin=content)
        judge.refused(f'{name} to score', 3, words, [judge.tools.evaluate, name, '-i', name])
        judge.refused(f'{name} to train on', 3, words, train + ['-t', name, 'lines'], inputs=[name])
        judge.refused(f'{name} to validate on', 3, words,
                      train + ['-t', 'lines', 'lines', '--valid-sets', name, 'lines'])
        judge.refused(f'{name} as TSV', 3, words, train + ['--tsv', '-t', name])
    for name, code, word in [('absent', 1, 'No such file'), ('good', 1, 'directory'),
                             ('/dev/zero', 3, 'looks like binary')]:
        judge.refused(f'{name} to translate', code, [name, word], good + ['-i', name])
        judge.refused(f'{name} to train on', code, [name, word], train + ['-t', 'lines', name])
        judge.refused(f'{name} to score', code, [name, word], [judge.tools.evaluate, 'lines', '-i', name])


def pairs(judge):
    """Texts with different numbers of lines: the error gives both, and the first likely culprit."""
    train = [judge.tools.train, '-q', '--threads', '1', '--preset', 'tiny', '-m', 'out']
    hundred = write('hundred', b'ab cd\n' * 100)
    for case, content, words in [
            ('a line less', b'ab cd\n' * 99, []),
            ('a line more', b'ab cd\n' * 101, []),
            ('none', b'', []),
            ('U+2028 inside', b'ab cd\n' * 41 + 'ab\u2028cd\n'.encode() + b'ab cd\n' * 57,
             ['other:42 has U+2028']),
            ('carriage returns alone', b'ab cd\r' * 100, ['other:1 has a carriage return']),
            ('NEL inside', b'ab cd\n' * 7 + 'ab\u0085cd\n'.encode() + b'ab cd\n' * 91, ['other:8 has U+0085'])]:
        write('other', content)
        lines = content.count(b'\n') + (content[-1:] not in (b'\n', b''))
        words = ['hundred has 100 lines', 'other has 1 line,' if lines == 1 else f'other has {lines} lines', *words]
        judge.refused(case, 3, words, train + ['-t', 'hundred', 'other'], inputs=['hundred', 'other'])
        judge.refused(case + ', validation', 3, words,
                      train + ['-t', hundred, hundred, '--valid-sets', 'hundred', 'other'])
        judge.refused(case + ', scoring', 3, words, [judge.tools.evaluate, 'hundred', '-i', 'other'])
    empty = write('empty', b'')
    judge.refused('no line at all', 3, ['empty', '0 lines'], train + ['-t', empty, empty])
    judge.refused('no line at all, scoring', 3, ['empty', '0 lines'],
                  [judge.tools.evaluate, empty, '-i', empty])
    judge.refused('no line in a TSV', 3, ['empty', '0 lines'], train + ['--tsv', '-t', empty])
    blank = write('blank', b'\n \n' * 50)
    judge.refused('blank lines only', 3, ['blank', ''], train + ['-t', blank, blank])
    for case, row, words in [('no tab', b'ab cd', ['rows:3', '0 tabs']), ('two tabs', b'a\tb\tc', ['rows:3', '2 tabs']),
                             ('an empty row', b'', ['rows:3', '0 tabs'])]:
        write('rows', b'ab\tcd\nef\tgh\n' + row + b'\nab\tcd\n')
        judge.refused('TSV: ' + case, 3, words, train + ['--tsv', '-t', 'rows'])
        write('rows.gz', gzip.compress(open('rows', 'rb').read()))
        judge.refused('TSV: ' + case, 3, [words[0].replace('rows', 'rows.gz'), words[1]],
                      train + ['--tsv', '-t', 'rows.gz'])


def training_text(judge):
    """Training accepts odd lines and counts those it leaves out."""
    lines = [line for _, line in ODD_LINES] + [b'ab cd ef', b'gh ij'] * 20
    write('odd.src', b'\n'.join(lines) + b'\n')
    write('odd.tgt', b'\n'.join(b'ab' for _ in lines) + b'\n')
    write('odd.tsv', b'\n'.join(line.replace(b'\t', b' ') + b'\tab' for line in lines) + b'\n')
    write('odd.src.gz', gzip.compress(open('odd.src', 'rb').read()))
    sizes = ['--d-model', '16', '--d-ff', '16', '--num-layers', '1', '--num-decoder-layers', '1',
             '--num-experts', '2', '--after', '2u', '--valid-freq', '2u', '--vocab-size', '60']
    for case, sets in [('files', ['odd.src', 'odd.tgt']), ('gzip', ['odd.src.gz', 'odd.tgt']),
                       ('TSV', ['--tsv', 'odd.tsv'])]:
        tsv, sets = sets[:-1] if case == 'TSV' else [], sets[-1:] if case == 'TSV' else sets
        command = [judge.tools.train, '--threads', '1', '--preset', 'tiny', *sizes, *tsv, '-t', *sets,
                   '-m', 'trained-' + case, '--max-length-crop']
        judge.works('training on odd lines: ' + case, command,
                    ['skipped (an empty side)', 'cropped to --max-length', 'invalid UTF-8 sequence'])
    first = next(i for i, line in enumerate(lines) if not is_utf8(line)) + 1
    judge.refused('training with --strict', 3, [f'odd.src:{first}: not UTF-8'],
                  [judge.tools.train, '--threads', '1', '--preset', 'tiny', *sizes, '-t', 'odd.src', 'odd.tgt',
                   '-m', 'never', '--strict', '-q'], inputs=['odd.src', 'odd.tgt'])
    models = {case: open(f'trained-{case}/model.safetensors', 'rb').read() for case in ('files', 'gzip')}
    judge.check('gzip', models['files'] == models['gzip'], 'not the model of the plain files')


def scored_text(judge):
    write('odd', ALL)
    write('odd.gz', gzip.compress(ALL))
    plain = judge.works('scoring odd lines', [judge.tools.evaluate, 'odd', '-i', 'odd', '-m', 'bleu', 'chrf'],
                        ['odd: ', 'places of invalid UTF-8', 'the first in line 13'])
    judge.check('scoring odd lines', [round(s['score']) for s in json.loads(plain)] == [100, 100], f'{plain}')
    packed = judge.works('scoring gzip', [judge.tools.evaluate, 'odd.gz', '-i', 'odd.gz', '-m', 'bleu', 'chrf'])
    judge.check('scoring gzip', packed == plain, f'{packed}')


def run(judge):
    models = Models(judge)
    good = models.command('good')
    lines_of_translations(models)
    ends_of_lines(models)
    carriage_returns(models)
    no_text(judge, good)
    pairs(judge)
    scored_text(judge)
    training_text(judge)
    large_text(models)
