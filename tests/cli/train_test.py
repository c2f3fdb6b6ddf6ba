# SPDX-License-Identifier: Apache-2.0
"""switch-train from the outside, on a corpus of reversed sentences that it makes itself.
usage: train_test.py SWITCH_TRAIN

A run that is killed (kill -9) or stopped (SIGTERM) and started again gives the same files as an
unbroken one, byte for byte; changes that a resume does not allow are refused; other directories are
left alone.
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from checks import check, exit_code
from train_runs import TRAIN, bytes_of, command, make_corpus, run, with_options

MEASURED = {'time', 'words_per_s', 'rss_mb', 'seconds'}  # differs between equal runs


def run_until(update, how, args):
    """Starts a run and sends it a signal once it has printed a line for this update or a later one."""
    # Background jobs of a shell, and their children, ignore SIGINT.
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(how, signal.SIG_DFL)
                               if how != signal.SIGKILL else None)
    printed = ''
    for line in process.stderr:
        printed += line
        if ': Up. ' in line and '[valid]' not in line:
            if int(line.split(': Up. ')[1].split()[0]) >= update:
                process.send_signal(how)
                break
    printed += process.stderr.read()
    process.stderr.close()
    return process.wait(), printed


def records(model):
    with open(os.path.join(model, 'metrics.jsonl')) as file:
        return [{k: v for k, v in json.loads(line).items() if k not in MEASURED} for line in file]


def state(checkpoint):
    with open(os.path.join(checkpoint, 'trainer_state.json')) as file:
        json_state = json.load(file)
    for name in ('seconds', 'metrics_bytes'):
        del json_state['switchyard'][name]
    del json_state['switchyard']['window']['seconds']
    return json_state


def check_same(a, b):
    for checkpoint in ('last', 'best'):
        check(os.readlink(os.path.join(a, checkpoint)) == os.readlink(os.path.join(b, checkpoint)),
              f'{b}: {checkpoint} is the same checkpoint')
        for file in ('model.safetensors', 'optimizer.safetensors'):
            check(bytes_of(a, checkpoint, file) == bytes_of(b, checkpoint, file),
                  f'{b}: {checkpoint}/{file} is the same')
        check(state(os.path.join(a, checkpoint)) == state(os.path.join(b, checkpoint)),
              f'{b}: {checkpoint}/trainer_state.json is the same')
    for file in ('model.safetensors', 'config.json', 'spiece.model'):
        check(bytes_of(a, file) == bytes_of(b, file), f'{b}: {file} is the same')
    check(records(a) == records(b), f'{b}: metrics.jsonl is the same')


def test_resume():
    whole = run(*command('whole'))
    check(whole.returncode == 0, 'a whole run ends with 0: ' + whole.stderr)
    check('held out for validation' in whole.stderr, 'the number of pairs held out is logged')
    check('39 of 400 training pairs' in whole.stderr, 'a tenth of the 394 different pairs is held out')
    lines = records('whole')
    check([r['update'] for r in lines if r['event'] == 'train'] == [7, 14, 21, 28, 35, 42, 49, 56],
          'a train record every 7 updates')
    check([r['update'] for r in lines if r['event'] == 'valid'] == [20, 40, 60],
          'a valid record every 20 updates')
    train = [r for r in lines if r['event'] == 'train'][-1]
    check(all(k in train for k in ('loss', 'aux_loss', 'z_loss', 'lr', 'gnorm', 'expert_load',
                                   'drop')), 'a train record has its fields')
    check(all(abs(sum(layer) - 1) < 1e-6 for layer in train['expert_load']),
          'shares of a layer sum to 1')
    check(train['loss'] < lines[0]['loss'], 'the loss falls')
    kept = sorted(n for n in os.listdir('whole') if n.startswith('checkpoint-'))
    best = os.readlink('whole/best')
    check(kept == sorted({'checkpoint-45', 'checkpoint-60', best}) or
          kept == sorted({'checkpoint-60', 'checkpoint-45'}), f'best and last 2 are kept: {kept}')

    code, _ = run_until(28, signal.SIGKILL, command('killed'))
    check(code == -signal.SIGKILL, 'killed')
    again = run(*command('killed'))
    check(again.returncode == 0 and 'resuming from checkpoint-' in again.stderr,
          'a killed run resumes: ' + again.stderr)
    check_same('whole', 'killed')

    code, printed = run_until(14, signal.SIGTERM, command('stopped'))
    check(code == 143 and 'stopped by signal 15' in printed, f'SIGTERM: 143, found {code}')
    code, _ = run_until(35, signal.SIGINT, command('stopped'))
    check(code == 130, f'SIGINT: 130, found {code}')
    check(run(*command('stopped')).returncode == 0, 'a stopped run resumes')
    check_same('whole', 'stopped')

    before = bytes_of('whole', 'last', 'optimizer.safetensors')
    check(run(*command('whole')).returncode == 0, 'a finished run has nothing to do')
    check(bytes_of('whole', 'last', 'optimizer.safetensors') == before, 'and does nothing')
    check_same('killed', 'whole')


def test_resume_with_workers():
    """Two workers: the same bits from run to run, killed and stopped ones included."""
    def shared(model):
        return with_options(command(model), threads='2')
    whole = run(*shared('shared'))
    check(whole.returncode == 0 and '2 workers' in whole.stderr, 'two workers: ' + whole.stderr)
    code, _ = run_until(28, signal.SIGKILL, shared('shared-killed'))
    check(code == -signal.SIGKILL, 'killed')
    check(run(*shared('shared-killed')).returncode == 0, 'a killed run of two workers resumes')
    check_same('shared', 'shared-killed')
    code, _ = run_until(14, signal.SIGTERM, shared('shared-stopped'))
    check(code == 143, f'SIGTERM: 143, found {code}')
    check(run(*shared('shared-stopped')).returncode == 0, 'a stopped run of two workers resumes')
    check_same('shared', 'shared-stopped')
    refused = run(*shared('never'), '--workers', '3')
    check(refused.returncode == 2 and '--workers: found 3, expected at most --threads, 2' in refused.stderr,
          'more workers than threads: ' + refused.stderr)


def test_refusals():
    changed = run(*command('whole', '--d-ff', '96', '--seed', '2'))
    check('whole: cannot resume, the settings differ (--d-ff: was 128, now 96; --seed: was 1, now 2). To resume, '
          'leave these options out and add -c whole/training_args.yml; or choose another directory; --overwrite would '
          'delete this run\n' in changed.stderr, 'how to resume: ' + changed.stderr)
    check(run(*command('whole', '-c', 'whole/training_args.yml')).returncode == 0, 'that advice works')
    check(changed.returncode == 2 and '--d-ff: was 128, now 96' in changed.stderr and
          '--seed: was 1, now 2' in changed.stderr, 'the changed options are named: ' + changed.stderr)
    free = run(*['50u' if a == '60u' else '3u' if a == '7u' else a for a in command('whole')])
    check(free.returncode == 0, 'the end and what is printed may change: ' + free.stderr)

    linear = ['--lr-schedule', 'linear', '--lr-warmup', '2']
    check(run(*command('linear', *linear)).returncode == 0, 'a linear schedule')
    longer = run(*['99u' if a == '60u' else a for a in command('linear', *linear)])
    check(longer.returncode == 2 and '--after: was 60u, now 99u' in longer.stderr,
          'the end of a linear schedule may not change: ' + longer.stderr)

    with open('a.src') as file:
        lines = file.read().splitlines()
    os.rename('a.src', 'kept.src')
    lines[3] += ' ' + lines[5]
    with open('a.src', 'w') as file:
        file.write('\n'.join(lines) + '\n')
    other = run(*command('whole'))
    check(other.returncode == 3 and '--train-sets' in other.stderr and
          '; restore it, or choose another directory; --overwrite would delete this run' in other.stderr,
          'a different text is refused: ' + other.stderr)
    os.rename('kept.src', 'a.src')

    os.mkdir('foreign')
    with open('foreign/thesis.txt', 'w') as file:
        file.write('do not touch\n')
    refused = run(*command('foreign'))
    check(refused.returncode == 2 and os.listdir('foreign') == ['thesis.txt'] and
          'choose another directory; --overwrite would delete any model in it' in refused.stderr,
          'a directory that is not a training directory is refused and left alone: ' + refused.stderr)

    os.mkdir('parent')
    with open('utf16.src', 'wb') as file:
        file.write('ba be\n'.encode('utf-16'))
    for model in ('never', 'parent/new/never'):
        refused = run(TRAIN, '-t', 'utf16.src', 'a.tgt', '-m', model)
        check(refused.returncode == 3, f'bad text: 3, found {refused.returncode}, {refused.stderr}')
    check(not os.path.exists('never') and os.listdir('parent') == [],
          'a refused run removes the directory it created')
    os.mkdir('empty')
    run(TRAIN, '-t', 'utf16.src', 'a.tgt', '-m', 'empty')
    check(os.path.isdir('empty'), 'an existing directory stays')

    for args, code, text in (
            (['--after', '5x'], 2, '--after'),
            (['--no-such-option'], 2, 'no-such-option'),
            (['--preset', 'huge'], 2, 'huge'),
            (['--vocab', 'missing.model'], 1, 'missing.model'),
            (['--valid-sets', 'a.src', 'short.tgt'], 3, 'short.tgt')):
        with open('short.tgt', 'w') as file:
            file.write('ba be\n')
        result = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'never', *args)
        check(result.returncode == code and text in result.stderr,
              f'{args}: found {result.returncode}, {result.stderr}')
    result = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'never', '--compute-type', 'bfloat16',
                 ONEDNN_MAX_CPU_ISA='AVX2')
    check(result.returncode == 2 and 'found bfloat16, which this machine does not compute' in result.stderr,
          f'bfloat16 on AVX2: found {result.returncode}, {result.stderr}')


def optimizer_bytes(*more):
    text = run(*command('dry'), '--dry-run', '--d-model', '256', *more).stdout
    return int(re.search(r'parameters, (\d+) MiB optimizer', text).group(1))


def test_adafactor():
    adafactor = ['--optimizer', 'adafactor']
    whole = run(*command('rows', *adafactor))
    check(whole.returncode == 0, 'Adafactor: ' + whole.stderr)
    lines = [r for r in records('rows') if r['event'] == 'train']
    check(lines[-1]['loss'] < lines[0]['loss'], 'with Adafactor the loss falls')
    code, _ = run_until(28, signal.SIGKILL, command('rows-killed', *adafactor))
    check(code == -signal.SIGKILL and run(*command('rows-killed', *adafactor)).returncode == 0,
          'with Adafactor a killed run resumes')
    check_same('rows', 'rows-killed')
    other = run(*command('rows'))
    check(other.returncode == 2 and '--optimizer: was adafactor, now adamw' in other.stderr,
          'a different optimizer is refused: ' + other.stderr)
    rows, whole = optimizer_bytes(*adafactor), optimizer_bytes()
    check(whole > 1 and rows < whole / 10, f'the memory of Adafactor is shown: {rows}, of AdamW {whole}')


def test_activation_checkpointing():
    less = run(*command('less', '--activation-checkpointing'))
    check(less.returncode == 0, '--activation-checkpointing: ' + less.stderr)
    check_same('whole', 'less')
    code, _ = run_until(28, signal.SIGKILL, command('less-then-more', '--activation-checkpointing'))
    more = run(*command('less-then-more'))
    check(code == -signal.SIGKILL and more.returncode == 0, 'and may be changed: ' + more.stderr)
    check_same('whole', 'less-then-more')
    deep = [TRAIN, '-t', 'a.src', 'a.tgt', '--preset', 'tiny', '--num-layers', '6',
            '--num-decoder-layers', '6', '--threads', '1', '--dry-run']
    batch = [int(re.search(r'optimizer, (\d+) MiB per batch', run(*deep, *how).stdout).group(1))
             for how in ([], ['--activation-checkpointing'])]
    check(2 * batch[1] < batch[0], f'the memory of a batch shrinks: {batch}')


def test_fit():
    def fitted(model, workspace, *more):
        words = command(model, '--mini-batch-fit', '--workspace', str(workspace), *more)
        at = words.index('--mini-batch-words')
        return words[:at] + words[at + 2:]

    whole = run(*fitted('fit', 12))
    check(whole.returncode == 0, '--mini-batch-fit: ' + whole.stderr)
    words = re.search(r'batches: up to ([0-9,]+) words, which fit into 12 MiB', whole.stderr)
    check(words and words.group(1) != '256', 'the chosen size is logged: ' + whole.stderr)
    batch = int(re.search(r'optimizer, (\d+) MiB per batch', whole.stderr).group(1))
    check(6 <= batch <= 12, f'a batch fills the workspace: {whole.stderr}')
    code, _ = run_until(28, signal.SIGKILL, fitted('fit-killed', 12))
    again = run(*fitted('fit-killed', 12))
    check(code == -signal.SIGKILL and again.returncode == 0 and
          f'batches: up to {words.group(1)} words, as before' in again.stderr,
          'a killed run resumes with batches of the same size: ' + again.stderr)
    check_same('fit', 'fit-killed')
    other = run(*fitted('fit', 13))
    check(other.returncode == 2 and '--workspace: was 12, now 13' in other.stderr,
          'a different workspace is refused: ' + other.stderr)
    tight = run(*fitted('narrow', 1, '--d-model', '512'))
    check(tight.returncode == 2 and '--workspace: found 1 MiB, expected at least ' in tight.stderr,
          'a workspace that is too small: ' + tight.stderr)


def test_settings_as_a_file():
    dumped = run(*command('dumped'), '--overwrite', '--dump-config')
    check(dumped.returncode == 0 and not os.path.exists('dumped'), 'settings are only printed')
    with open('dumped.yml', 'w') as file:
        file.write(dumped.stdout)
    trained = run(TRAIN, '-c', 'dumped.yml', '--overwrite')
    check(trained.returncode == 0, 'printed settings train: ' + trained.stderr)
    before = bytes_of('dumped', 'last', 'optimizer.safetensors')
    kept = run(TRAIN, '-c', 'dumped/training_args.yml')
    check(kept.returncode == 0 and before == bytes_of('dumped', 'last', 'optimizer.safetensors') and
          'resuming from' in kept.stderr, '--overwrite is not part of the saved settings: ' + kept.stderr)


def test_lock():
    first = subprocess.Popen(command('locked'), stderr=subprocess.DEVNULL)
    while not os.path.exists('locked/.lock') or not bytes_of('locked', '.lock'):
        time.sleep(0.01)
    second = run(*command('locked'))
    check(second.returncode == 1 and str(first.pid) in second.stderr,
          'a second trainer names the first: ' + second.stderr)
    first.kill()
    first.wait()


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        make_corpus(400, 'a')
        test_resume()
        test_resume_with_workers()
        test_refusals()
        test_settings_as_a_file()
        test_lock()
        test_adafactor()
        test_fit()
        test_activation_checkpointing()
        os.chdir('/')
    return exit_code()


sys.exit(main())
