# SPDX-License-Identifier: Apache-2.0
"""What switch-train reports before a run begins and when it ends.
usage: train_report_test.py SWITCH_TRAIN
"""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

from checks import check, exit_code
from train_runs import TRAIN, bytes_of, command, make_corpus, run, with_options


def end_of(args):
    result = run(*args)
    check(result.returncode == 0, f'{args}: {result.stderr}')
    return result.stderr.splitlines()[-1].split('] ', 1)[-1]


def settings(model, *names):
    with open(os.path.join(model, 'training_args.yml')) as file:
        values = dict(line.rstrip().split(': ', 1) for line in file)
    return [values[name] for name in names]


def test_ends():
    """Why a run has ended, and how to train longer."""
    args = [*command('ends'), '--early-stopping', '0']
    for after, text in (
            ('8u', r'training finished: 8 updates reached \(--after\)\. Best: checkpoint-8, bleu \d+\.\d\d'),
            ('8u', r'nothing to do: update 8 is already at --after 8u\. --after counts from the start of '
                   r'the run; use --after 16u for 8 more updates'),
            ('5u', r'nothing to do: update 8 is already past --after 5u\. .*; use --after 13u for 5 more updates'),
            ('1e', r'nothing to do: epoch \d is already past --after 1e\. .*; use --after \d+e for 1 more epoch'),
            ('90u,2e', r'nothing to do: epoch \d is already (at|past) --after 2e\. .* for 2 more epochs'),
            ('100t', r'nothing to do: [\d,]+ target tokens are already past --after 100t\. .* target tokens'),
            ('30m,12u', r'training finished: 12 updates reached .*'),
            ('1s', r'training finished: 1 second of training reached \(--after\)\. Best: .*'),
            ('1s', r'nothing to do: 1 second of training is already at --after 1s\. .*; use --after 2s for 1 '
                   r'more second of training')):
        said = end_of(with_options(args, after=after))
        check(re.fullmatch(text, said), f'--after {after}: {said}')
    check(settings('ends', 'after', 'threads') == ['1s', '1'], 'the settings are those of the latest resume')
    end_of(with_options(args, after='2s', threads='2'))
    check(settings('ends', 'after', 'threads') == ['2s', '2'], 'settings changed by a resume are written')
    before = bytes_of('ends', 'training_args.yml')
    check(run(*args, '--d-ff', '96').returncode == 2 and bytes_of('ends', 'training_args.yml') == before,
          'a refused run changes no settings')

    stalls = [*command('stalls', '--learn-rate', '1e-30', '--early-stopping', '2')]
    said = end_of(with_options(stalls, valid_freq='5u'))
    check(re.fullmatch(r'training finished: bleu has not improved in 2 validations \(--early-stopping\)\. '
                       r'Best: checkpoint-5, bleu \d+\.\d\d', said), f'early stopping: {said}')
    said = end_of(with_options(stalls, valid_freq='5u'))
    check(said == 'nothing to do: bleu has not improved in 2 validations (--early-stopping)', said)
    linear = command('linear', '--lr-schedule', 'linear', '--lr-warmup', '2')
    end_of(linear)
    said = end_of(linear)
    check(said == 'nothing to do: update 60 is already at --after 60u, where the linear schedule ends', said)


def test_dry_run():
    dry = run(*command('dry'), '--dry-run')
    check(dry.returncode == 0 and not os.path.exists('dry'), 'a dry run writes nothing')
    report = {line[:12].strip(): line[12:] for line in dry.stdout.splitlines()}
    check(report['pairs'] == '361 for training, 39 for validation', f'its pairs: {report}')
    check(report['end'].startswith('after 60 updates, in 00:00:'), f'its end: {report}')
    for name, words in (('model', 'active per token'), ('memory', 'available'), ('speed', 'words/s'),
                        ('batches', 'per epoch'), ('uneven', '0 of them'), ('repeated', ' of them')):
        check(words in report[name], f'{name}: {report}')
    run('cp', 'a.src', 'twice.src'), run('cp', 'a.tgt', 'twice.tgt')
    for name in ('twice.src', 'twice.tgt'):
        with open(name) as file:
            lines = file.read()
        with open(name, 'w') as file:
            file.write(lines + lines)
    twice = run(TRAIN, '-t', 'twice.src', 'twice.tgt', '--valid-sets', 'a.src', 'a.tgt',
                '--preset', 'tiny', '--threads', '1', '--dry-run')
    repeated = int(re.search(r'repeated +(\d+) of them', twice.stdout).group(1))
    before = int(report['repeated'].split()[0])
    check(repeated >= 400 + before, f'pairs that occur twice: {twice.stdout}')
    check('of them are copies of an earlier pair' in twice.stdout, twice.stdout)


def test_dry_run_of_a_run_that_is_there():
    args = with_options(command('half'), after='30u')
    check(run(*args).returncode == 0, 'half a run')
    before = {name: os.stat(os.path.join('half', name)).st_mtime_ns for name in os.listdir('half')}

    def dry(*more, **changes):
        result = run(*with_options(args, **changes), '--dry-run', *more)
        return result, {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    _, report = dry(after='70u')
    check(report['end'].startswith('after 40 more updates, in 00:00:'), f'the rest of a run: {report}')
    check(re.fullmatch(r'30 updates, \d epochs, 00:00:\d\d of training', report['done']), f'what is done: {report}')
    _, report = dry(after='31u')
    check(report['end'].startswith('after 1 more update, in 00:00:'), f'one update: {report}')
    _, report = dry()
    check(report['end'].startswith('nothing to do: update 30 is already at --after 30u.'), f'no rest: {report}')
    _, report = dry('--overwrite')
    check(report['end'].startswith('after 30 updates, in ') and 'done' not in report, f'--overwrite: {report}')
    result, _ = dry('--d-ff', '96')
    check(result.returncode == 2 and '--d-ff: was 128, now 96' in result.stderr, f'other settings: {result.stderr}')
    check(before == {name: os.stat(os.path.join('half', name)).st_mtime_ns for name in os.listdir('half')},
          'a dry run changes nothing')


def test_held_out():
    """The held-out pairs are the same for the same seed, and none of them is trained on."""
    with open('periodic', 'w') as file:
        for _ in range(3):
            for i in range(200):
                file.write(f'{"abcdefghij"[i % 10]} {"abcdefghij"[i // 10 % 10]} {i}\n')
    hashes = []
    for model, seed in (('held', '1'), ('held-same', '1'), ('held-other', '2')):
        args = [TRAIN, '-t', 'periodic', 'periodic', '-m', model, '--preset', 'tiny', '--threads', '1',
                '--after', '1u', '--seed', seed]
        result = run(*args)
        check(result.returncode == 0 and '20 of 600 training pairs held out for validation; copies of '
              'them removed from the training set: 40' in result.stderr, 'held out: ' + result.stderr)
        with open(f'{model}/last/trainer_state.json') as file:
            hashes.append(json.load(file)['switchyard']['valid_hash'])
    check(hashes[0] == hashes[1] != hashes[2], f'the held-out pairs depend on the seed only: {hashes}')


def test_memory():
    """A run that does not fit into memory is refused before its first update, with both numbers."""
    huge = ['--d-model', '4096', '--d-ff', '16384', '--num-experts', '512']
    refused = run(TRAIN, '-t', 'a.src', 'a.tgt', '-m', 'huge', *huge)
    check(refused.returncode == 1 and 'not enough memory: ' in refused.stderr and
          'GiB needed' in refused.stderr and 'available' in refused.stderr,
          f'a huge model: {refused.returncode}, {refused.stderr}')

    def limit(address_space):
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    batch = ['--mini-batch-words', '4000000', '--d-model', '512', '--preset', 'tiny', '-t',
             'twice.src', 'twice.tgt', '--threads', '1', '--vocab', 'ends/spiece.model']
    for compute_type in 'float32', 'auto':
        tight = subprocess.run([TRAIN, '-m', 'tight', *batch, '--compute-type', compute_type],
                               capture_output=True, text=True, preexec_fn=lambda: limit(300 << 20))
        check(tight.returncode == 1 and 'not enough memory: ' in tight.stderr and
              'Up. 1 ' not in tight.stderr,
              f'a large batch, {compute_type}: {tight.returncode}, {tight.stderr}')


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        make_corpus(400, 'a')
        test_ends()
        test_dry_run()
        test_dry_run_of_a_run_that_is_there()
        test_held_out()
        test_memory()
        os.chdir('/')
    return exit_code()


sys.exit(main())
