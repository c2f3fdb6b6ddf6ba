# SPDX-License-Identifier: Apache-2.0
"""Bad command lines and config files, for all tools."""
import os
import resource
import shutil
import subprocess

from faults.judge import Models, run as run_tool
from faults.streams import TINY
from faults.text import write

NO_INTEGER = ['-1', '99999999999999999999', '1e3', '0x10', '', ' 5', '5 ', '5k', 'nan', '+3', '3.0', '1,000', '\uff11',
              '5\x1b[31m']
NO_NUMBER = ['-1e9', 'nan', 'inf', '1e999', '', ' 5', '5k', '0x10', '+3', '0,5', '1.5.5']
NO_PERIOD = ['', 'u', '-1u', '5x', '1e3u', ' 5u', '0x10u', 'nan', '5U', '99999999999999999999u', '5uu']
INTEGERS = {
    'translate': ['beam-size', 'max-output-length', 'max-length', 'min-length', 'min-new-tokens', 'no-repeat-ngram-size',
                  'encoder-no-repeat-ngram-size', 'suppress-tokens', 'begin-suppress-tokens', 'forced-bos-token-id',
                  'forced-eos-token-id', 'eos-token-id', 'top-k', 'seed', 'max-input-length', 'mini-batch', 'maxi-batch',
                  'workers', 'threads'],
    'evaluate': ['width', 'chrf-char-order', 'chrf-word-order', 'threads'],
    'train': ['max-length', 'vocab-size', 'd-model', 'd-ff', 'd-kv', 'num-heads', 'num-layers', 'num-decoder-layers',
              'num-experts', 'num-sparse-encoder-layers', 'num-sparse-decoder-layers', 'expert-capacity',
              'mini-batch-words', 'mini-batch', 'workspace', 'optimizer-delay', 'disp-first', 'early-stopping',
              'keep-last', 'average-last', 'average-best', 'beam-size', 'seed', 'threads']}
NUMBERS = {
    'translate': ['normalize', 'repetition-penalty', 'encoder-repetition-penalty', 'temperature', 'top-p'],
    'evaluate': ['smooth-value', 'chrf-beta'],
    'train': ['router-jitter-noise', 'router-z-loss-coef', 'router-aux-loss-coef', 'capacity-factor', 'dropout',
              'learn-rate', 'label-smoothing', 'clip-norm', 'exponential-smoothing']}
PERIODS = ['after', 'disp-freq', 'valid-freq', 'save-freq', 'lr-warmup', 'lr-decay-inv-sqrt']


class Commands:
    """A working command of each tool."""

    def __init__(self, judge):
        self.judge = judge
        write('lines', b'ab cd\nef gh\n' * 20)
        self.translate = [*Models(judge).command('good'), '-i', 'lines']
        self.evaluate = [judge.tools.evaluate, 'lines', '-i', 'lines']
        self.train = [judge.tools.train, '-q', '-t', 'lines', 'lines', '-m', 'out', *TINY, '--after', '1u']
        for tool in (self.translate, self.evaluate):
            judge.works('a good command', tool)

    def all(self):
        return {'translate': self.translate, 'evaluate': self.evaluate, 'train': self.train}


def without(command, option):
    """Returns the command without an option and its value."""
    name = '--' + option
    if name not in command:
        return command
    at = command.index(name)
    return command[:at] + command[at + 2:]


def values(commands):
    judge = commands.judge
    for tool, command in commands.all().items():
        for names, bad in ((INTEGERS, NO_INTEGER), (NUMBERS, NO_NUMBER), ({'train': PERIODS}, NO_PERIOD)):
            for name in names.get(tool, []):
                # Empty values of these mean that the option is not given; a run's settings have them.
                for value in bad[name in ('save-freq', 'lr-decay-inv-sqrt'):]:
                    for given in ([f'--{name}={value}'], ['--' + name, value]):
                        judge.refused(f'{tool} {given}', 2, [f'--{name}: found ', 'expected'],
                                      without(command, name) + given)
                        if value:  # one form is enough for most values
                            break
    for name in ('after', 'disp-freq', 'valid-freq', 'save-freq'):
        judge.refused(f'--{name} 0u', 2, [f'--{name}: found 0'], without(commands.train, name) + ['--' + name, '0u'])
    for value in ('1e,', ',1e', '1e,,2e', '1e 2e', '1d'):
        judge.refused(f'--after {value}', 2, ['--after: found'], without(commands.train, 'after') + ['--after', value])
    for value in ('0', '-1', '99999999999', 'x', '1e1'):
        judge.refused(f'--n-best={value}', 2, ['--n-best: found'], commands.translate + ['--n-best=' + value])
    for value in ('', ',', '5,', ',5', '5;6', '-1', 'x', '5 6', '[5]', '99999999999'):
        judge.refused(f'--bad-words-ids {value}', 2, ['--bad-words-ids: found '],
                      commands.translate + ['--bad-words-ids=' + value])
    for name in ('suppress-tokens', 'begin-suppress-tokens', 'forced-bos-token-id', 'forced-eos-token-id',
                 'eos-token-id', 'bad-words-ids'):
        for value in ('99999', '2147483647'):
            judge.refused(f'--{name} {value}', 2, [f"{name.replace('-', '_')}: id {value}, expected 0 to "],
                          commands.translate + ['--' + name, value])
    for given, words in [(['--temperature', '0'], '--temperature: found'),
                         (['--repetition-penalty', '0'], '--repetition-penalty: found'),
                         (['--top-p', '1.5'], '--top-p: found'),
                         (['--max-length', '1'], '--max-length: found'),
                         (['--early-stopping=always'], '--early-stopping: found'),
                         (['--suppress-tokens', '5', '--forced-bos-token-id', '5'], 'forced_bos_token_id: also in'),
                         (['--suppress-tokens', '1', '5', '--forced-eos-token-id', '1'], 'forced_eos_token_id: also in')]:
        judge.refused(' '.join(given), 2, [words], commands.translate + given)
    # Nothing may follow, and nothing may come first: a translation of some kind all the same.
    for given in (['--no-repeat-ngram-size', '1', '--min-length', '999'], ['--forced-bos-token-id', '1'],
                  ['--do-sample', '--top-p', '0'], ['--do-sample', '--seed', '18446744073709551615', '-b', '3'],
                  ['--do-sample', '--top-k', '9223372036854775807', '--temperature', '0.0001'],
                  ['--do-sample', '--no-repeat-ngram-size', '1', '--n-best=3', '--temperature', '10000']):
        judge.works(' '.join(given), commands.translate + given)
    for given, words in [(['0.9', '0.98'], 'found 2 values'), (['1', '0.98', '1e-9'], 'below 1'),
                         (['0.9', '0.98', '0'], 'epsilon above 0'), (['0.9', 'x', '1e-9'], "found 'x'")]:
        judge.refused(f'--optimizer-params {given}', 2, ['--optimizer-params: ', words],
                      commands.train + ['--optimizer-params', *given])
    for tool, name in [('translate', 'long-input'), ('translate', 'compute-type'), ('translate', 'compat'),
                       ('evaluate', 'metrics'), ('evaluate', 'tokenize'), ('evaluate', 'format'), ('train', 'preset'),
                       ('train', 'init'), ('train', 'lr-schedule'), ('train', 'valid-metrics'), ('train', 'compute-type'),
                       ('train', 'optimizer'), ('train', 'valid-tokenize')]:
        for value in ('', 'nothing', 'BLEU\x1b'):
            judge.refused(f'{tool} --{name} {value}', 2, [f'--{name}: found ', 'expected one of'],
                          without(commands.all()[tool], name) + ['--' + name, value])


def names(commands):
    judge = commands.judge
    for tool, command in commands.all().items():
        for given, words in [
                (['--no-such-option'], ["unknown option '--no-such-option'"]),
                (['--' + 'x' * 100_000], ["unknown option '--xxx"]),
                (['--thread', '1'], ["unknown option '--thread'", 'did you mean --threads?']),
                (['--trheads=1'], ["unknown option '--trheads=1'", 'did you mean --threads?']),
                (['-Z'], ["unknown option '-Z'"]),
                (['-Z\n\x1b[31m'], ["unknown option '-Z\\x0A\\x1B[31m'"]),
                (['--quiet=perhaps'], ["--quiet: found 'perhaps'", 'expected one of']),
                (['--config'], ['--config: a value is missing']),
                (['--threads'], ['--threads: a value is missing']),
                (['--threads', '--quiet'], ['--threads: a value is missing']),
                (['--threads', '1', '--threads', '2'], ['--threads: given 2 times']),
                (['--config='], ['--config: a path is empty'])]:
            bare = [part for part in without(command, 'threads') if part != '-q']
            judge.refused(f'{tool} {given[0][:40]!r}', 2, words, bare + given)
    for command, words in [
            (commands.translate + ['more'], ["'more': unexpected argument"]),
            (commands.translate + ['-m', 'good'], ['--model: given 2 times']),
            (commands.translate + ['--model='], ['--model: ']),
            (commands.translate + ['--long-input', 'split', '--scores'], ['no n-best list and no score']),
            (commands.translate + ['-b', '2', '--n-best=3'], ['--n-best=3 needs --beam-size 3 or more; it is 2']),
            (commands.translate + ['--compute-type', 'int4'],
             ["--compute-type: found 'int4', expected one of: auto, float32, bfloat16, int8"]),
            ([judge.tools.translate, '-i', 'lines'], ['--model: missing']),
            (commands.evaluate + ['-m', 'bleu', 'chrf', '--sentence-level'], ['--sentence-level: found 2 metrics']),
            ([judge.tools.evaluate], ['no reference']),
            (commands.train + ['--tsv'], ['--train-sets: found 2 files']),
            (commands.train + ['--valid-sets', 'lines'], ['--valid-sets: found 1 file,']),
            (commands.train + ['--compat', 'hf', '--capacity-factor', '1'], ['--compat hf and --capacity-factor']),
            (commands.train + ['--mini-batch', '0', '--mini-batch-words', '0'], ['--mini-batch-words and --mini-batch']),
            (commands.train + ['--num-sparse-encoder-layers', '2'], ['--num-sparse-encoder-layers 2']),
            (commands.train + ['--lr-schedule', 'linear'], ['--lr-schedule linear']),
            (commands.train + ['--optimizer', 'adafactor', '--optimizer-params', '0.9', '0.98', '1e-9'],
             ['--optimizer-params: has no effect here']),
            *((commands.train + given, [f'{given[-2]}: has no effect here']) for given in [
                ['--workspace', '100'], ['--mini-batch-fit', '--mini-batch-words', '99'],
                ['--lr-schedule', 'constant', '--lr-decay-inv-sqrt', '9'],
                ['--init', 'hf', '--embedding-std', '1']]),
            (commands.train + ['--num-sparse-encoder-layers', '0', '--num-sparse-decoder-layers', '0'],
             ['--num-experts: has no effect here']),
            ([judge.tools.train, '-t', 'lines', 'lines'], ['--model: missing']),
            ([judge.tools.train, '-m', 'out'], ['--train-sets: missing'])]:
        judge.refused(' '.join(command[-3:]), 2, words, command)
    judge.check('nothing was trained', not os.path.exists('out'), 'a directory was made')


def first_of_all(commands):
    """--help and --version work whatever else is given, and without a model."""
    for tool, command in commands.all().items():
        for option in ('--help', '-h', '--version'):
            for more in ([], ['--no-such'], ['--threads', 'x'], ['-m', 'nowhere'], ['-c', 'nowhere']):
                out = commands.judge.works(f'{tool} {option} {more}', [command[0], *more, option])
                commands.judge.check(f'{tool} {option}', os.path.basename(command[0]).encode() in out, f'{out[:80]}')


def config_files(commands):
    judge = commands.judge
    laughs = 'a: &a [x, x]\n' + ''.join(f'{chr(98 + i)}: &{chr(98 + i)} [' + ', '.join([f'*{chr(97 + i)}'] * 9) + ']\n'
                                        for i in range(20))
    for case, text, words in [
            ('unknown', 'thread: 1\n', ["bad.yml:1: unknown option 'thread'", 'did you mean --threads?']),
            ('value', 'threads: 1k\n', ["bad.yml: --threads: found '1k'"]),
            ('given twice', 'threads: 1\nthreads: 1\n', ['bad.yml:2: threads: given twice']),
            ('list', '- a\n', ["expected lines of 'option: value'"]), ('text', 'hello\n', ["'option: value'"]),
            ('map', 'threads: {a: 1}\n', ['bad.yml:1: threads: expected a value']),
            ('list of lists', 'threads: [[1]]\n', ['plain values']), ('null', 'threads:\n', ['threads: expected a value']),
            ('broken', 'threads: [1\n', ['bad.yml:2:1']),
            ('for the command line', 'help: true\n', ['allowed only on the command line']),
            ('itself', 'config: bad.yml\n', ['allowed only on the command line']),
            ('escape codes', '"\\e[31m\\0": 1\n', ["unknown option '\\x1B[31m\\x00'"]),
            ('nested', '[' * 100_000, ['bad.yml']), ('nested maps', '{a: ' * 100_000, ['bad.yml']),
            ('nested blocks', ''.join(' ' * i + 'a:\n' for i in range(1000)), ['bad.yml']),
            ('aliases', laughs, ['bad.yml']), ('itself inside', 'a: &a [*a]\n', ['bad.yml']), ('no such alias', 'a: *b\n', ['bad.yml']),
            ('documents', 'threads: 1\n---\nx: 1\n...\n%FOO\n', []), ('NUL', b'threads: 1\0\n', ['bad.yml']),
            ('not UTF-8', b'\xff\xfe: 1\n', ['bad.yml']), ('noise', bytes(range(256)) * 8, ['bad.yml']),
            ('gzip', b'\x1f\x8b\x08' + bytes(90), ['bad.yml'])]:
        write('bad.yml', text if isinstance(text, bytes) else text.encode())
        for tool, command in commands.all().items():
            command = without(command, 'threads')
            if words:
                judge.refused(f'{tool} -c: {case}', 2, words, command + ['-c', 'bad.yml'], inputs=['bad.yml'])
    judge.refused('-c: absent', 1, ['absent.yml', 'No such file'], commands.evaluate + ['-c', 'absent.yml'])
    judge.refused('-c: directory', 1, ['good', 'a directory'], commands.evaluate + ['-c', 'good'])
    os.mkfifo('pipe.yml')
    judge.refused('-c: pipe', 1, ['pipe.yml', 'named pipe'], commands.evaluate + ['-c', 'pipe.yml'])


def paths(commands):
    judge = commands.judge
    expected = judge.works('a model', commands.translate)
    for name in ['with blank', 'Stra\u00dfe', '-dash', 'new\nline', 'esc\x1b[31m', 'x' * 250, b'\xff\xfe', '\u202e']:
        name = os.fsdecode(name)
        shutil.copytree('good', name)
        shutil.copy('lines', os.path.join(name, name))
        inside = os.path.join(name, name)
        command = without(without(commands.translate, 'model'), 'input')[:-4]
        for form in ([f'--model={name}', f'--input={inside}'], ['-m', './' + name, '-i', './' + inside]):
            out = judge.works(f'path {name!r}', command + form)
            judge.check(f'path {name!r}', out == expected, 'another translation')
        judge.works(f'path {name!r}', [judge.tools.evaluate, '--', inside, inside], stdin=b'ab cd\nef gh\n' * 20)
        os.remove(os.path.join(name, 'config.json'))
        found = run_tool(command + [f'--model={name}', '-i', 'lines'])
        judge.check(f'path {name!r}', found.code == 3 and found.err.count('\n') == 1 and
                    not any(c < ' ' for c in found.err[:-1]), found.err)
        shutil.rmtree(name)
    for name in ['x' * 300, 'x/' * 2500]:
        judge.refused('a path too long', 1, ['File name too long'], commands.evaluate[:1] + [name], stdin=b'a\n')
        judge.refused('a path too long', 1, ['xx' if name[1] == 'x' else 'x/x'],
                      [commands.translate[0], '-m', name], stdin=b'a\n')
    # A training directory with an odd name, started and resumed.
    train = [*commands.train[:commands.train.index('-m')], *TINY, '-m', 'Stra\u00dfe new\nline']
    judge.works('training in an odd directory', train + ['--after', '1u'])
    judge.works('resuming in an odd directory', train + ['--after', '2u'])


def threads(commands):
    judge, command = commands.judge, without(commands.translate, 'threads')
    expected = judge.works('one thread', commands.translate)
    for value in ('0', '3'):
        judge.check(f'--threads {value}', judge.works('threads', command + ['--threads', value]) == expected, 'differs')
    judge.refused('--threads 1000000', 2, ["--threads: found '1000000'", 'from 0 to 1024'], command + ['--threads', '1000000'])
    found = run_tool(commands.translate, env={**os.environ, 'OMP_NUM_THREADS': 'x', 'OMP_STACKSIZE': '?'})
    judge.check('OMP_NUM_THREADS=x', (found.code, found.out) == (0, expected), str(found))

    def one_process():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        if os.getuid() == 0:  # the limit does not apply to root
            os.setgid(65534)
            os.setuid(65534)
    os.chmod('.', 0o755)
    try:
        judge.refused('no more threads', 1, ['--threads: cannot start 3 more threads', 'Resource temporarily unavailable'],
                      command + ['--threads', '4'], preexec_fn=one_process)
        found = run_tool(commands.translate, preexec_fn=one_process)
        judge.check('no more threads, one is enough', (found.code, found.out) == (0, expected), str(found))
    except (PermissionError, BlockingIOError) as error:
        print(f'not tried: no more threads: {error}')


def locales(commands):
    """Output does not depend on the locale. Locales that the machine lacks are made if possible."""
    os.mkdir('locales')
    commands_to_try = [commands.translate + ['--scores'], commands.evaluate + ['-w', '5'],
                       commands.train + ['--dump-config', '--dropout', '0.25', '--config', 'half.yml']]
    write('half.yml', b'label-smoothing: 0.125\n')
    expected = [commands.judge.works('C', command, env={'LC_ALL': 'C'}) for command in commands_to_try]
    for name in ('de_DE', 'tr_TR', 'fa_IR'):
        try:
            subprocess.run(['localedef', '-i', name, '-f', 'UTF-8', f'locales/{name}.UTF-8'], capture_output=True)
        except FileNotFoundError:
            pass
        if not os.path.exists(f'locales/{name}.UTF-8'):
            print(f'not tried: locale {name}: localedef cannot make it here')
        environment = {'LC_ALL': name + '.UTF-8', 'LOCPATH': os.path.abspath('locales')}
        for command, want in zip(commands_to_try, expected):
            found = commands.judge.works(name, command, env=environment)
            commands.judge.check(name, found == want, f'{found[:200]}')


def run(judge):
    commands = Commands(judge)
    values(commands)
    names(commands)
    first_of_all(commands)
    config_files(commands)
    threads(commands)
    locales(commands)
    paths(commands)
