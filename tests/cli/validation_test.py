#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What switch-train's validations report and decide: the best checkpoint and the end of a run.
usage: validation_test.py SWITCH_TRAIN SWITCH_TRANSLATE SWITCH_EVALUATE [TEST...]

Expected values come from the log, metrics.jsonl and the other two tools, not from another run.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zlib

TRAIN, TRANSLATE, EVALUATE = map(os.path.abspath, sys.argv[1:4])
MODEL = 'model'
# The last validation pair is longer; translations may be half as long again as that.
MAX_LENGTH, MAX_OUTPUT_LENGTH = 24, 36


def write(name, lines):
    with open(name, 'w', encoding='utf-8') as file:
        file.writelines(line + '\n' for line in lines)


def make_corpora():
    rng = random.Random(1)
    words = [a + b for a in 'bdfgkm' for b in 'aeiou']
    for name, pairs in (('a', 200), ('v', 30)):
        lengths = [rng.randint(2, 6) for _ in range(pairs)] + ([MAX_LENGTH] if name == 'v' else [])
        sentences = [[rng.choice(words) for _ in range(length)] for length in lengths]
        write(name + '.src', [' '.join(s) for s in sentences])
        write(name + '.tgt', [' '.join(s[::-1]) for s in sentences])
        # One word per line, and lines that each tokenizer splits differently.
        write(name + '-one.src', [(s[0] + ''.join(s[6:])).upper() for s in sentences])
        write(name + '-one.tgt', [s[0] + ''.join(s[6:]) for s in sentences])
        write(name + '-letter.src', [s[0] for s in sentences])
        write(name + '-letter.tgt', [s[0][0] for s in sentences])
        write(name + '-mixed.src', [' '.join(s[:2] + s[6:]) for s in sentences])
        write(name + '-mixed.tgt', [f'{s[1]}-{s[0]}, 中国。 {s[0]} 文 {s[1]}. ' + ' '.join(s[6:])
                                    for s in sentences])


def command(*more, data=''):
    """A run of about a second. Options in `more` override those here."""
    options = {'--train-sets': ['a' + data + '.src', 'a' + data + '.tgt'],
               '--valid-sets': ['v' + data + '.src', 'v' + data + '.tgt'],
               '--preset': ['tiny'], '--num-layers': ['1'], '--num-decoder-layers': ['1'],
               '--vocab-size': ['80'], '--max-length': [str(MAX_LENGTH)], '--threads': ['1'], '--compute-type': ['float32'],
               '--learn-rate': ['0.003'], '--lr-warmup': ['10'], '--mini-batch-words': ['512'],
               '--after': ['100u'], '--valid-freq': ['10u'], '--early-stopping': ['0']}
    last = None
    for word in more:
        if word.startswith('--'):
            last = options[word] = []
        else:
            last.append(word)
    return [TRAIN, '--model', MODEL] + [w for o, v in options.items() for w in [o, *v]]


def output(*args, **kwargs):
    result = subprocess.run(args, capture_output=True, encoding='utf-8', **kwargs)
    assert result.returncode == 0, result.stderr
    return result


def train(*more, data=''):
    """Trains and returns stderr."""
    return output(*command(*more, data=data), stdin=subprocess.DEVNULL).stderr


def records(event):
    with open(os.path.join(MODEL, 'metrics.jsonl')) as file:
        return [r for r in map(json.loads, file) if r['event'] == event]


def rewrite(path, text):
    """Replaces a file of a checkpoint and updates its checksum."""
    with open(path, 'w') as file:
        file.write(text)
    sums = os.path.join(os.path.dirname(path), 'checksums.json')
    with open(sums) as file:
        checksums = json.load(file)
    entry = checksums['files'][os.path.basename(path)]
    entry.update({'bytes': len(text), 'crc32': f'{zlib.crc32(text.encode()):08x}'})
    with open(sums, 'w') as file:
        json.dump(checksums, file)


def best():
    return int(os.readlink(os.path.join(MODEL, 'best')).removeprefix('checkpoint-'))


def translate(lines, checkpoint, *more):
    return output(TRANSLATE, '-m', os.path.join(MODEL, checkpoint), '--beam-size', '1', '-q',
                  '--max-input-length', str(MAX_LENGTH),
                  '--max-output-length', str(MAX_OUTPUT_LENGTH), *more,
                  input=''.join(line + '\n' for line in lines)).stdout.splitlines()


class ValidationTest(unittest.TestCase):
    def setUp(self):
        shutil.rmtree(MODEL, ignore_errors=True)


class WhenBleuCannotMove(ValidationTest):
    def test_ce_mean_words_decides(self):
        said = train('--early-stopping', '2', '--after', '300u', data='-one')
        valid = records('valid')
        self.assertEqual({r['bleu'] for r in valid}, {0.0})
        losses = [r['ce-mean-words'] for r in valid]
        self.assertEqual(best(), valid[losses.index(min(losses))]['update'])
        self.assertGreater(best(), 30)  # early stopping ends the run after two validations without a better one
        self.assertIn(f': Up. 20 : bleu : 0.00 : new best (by ce-mean-words: {losses[1]:.4f} '
                      f'against {losses[0]:.4f})', said)

        self.assertIn('no validation reference has 4 tokens (--valid-tokenize 13a)', said)

        # It is computed even if not asked for.
        best_update = best()
        self.setUp()
        train('--early-stopping', '2', '--after', '300u', '--valid-metrics', 'bleu', data='-one')
        self.assertEqual(best(), best_update)
        self.assertEqual([r['ce-mean-words'] for r in records('valid')], losses)

    def test_advice(self):
        """Advice is given only if it helps; ce-mean-words decides only in place of BLEU."""
        decides = '; ce-mean-words decides which model is the best'
        for data, metrics, end in (
                ('-one', 'bleu', decides + '. Try --valid-tokenize char or --valid-metrics chrf'),
                ('-one', 'chrf bleu', '. Try --valid-tokenize char'),
                ('-letter', 'bleu', decides + '. Try --valid-metrics chrf'),
                ('-letter', 'chrf bleu', '')):
            with self.subTest(data=data, metrics=metrics):
                self.setUp()
                said = train('--after', '1u', '--valid-metrics', *metrics.split(), data=data)
                self.assertIn('BLEU is 0 even for perfect translations' + end + '\n', said)

    def test_noise_above_0_is_not_the_best(self):
        # Early on the model babbles and may score above 0; later it only outputs single words.
        train('--after', '10u', data='-one')
        path = os.path.join(MODEL, 'last', 'trainer_state.json')
        with open(path) as file:
            state = json.load(file)
        state['switchyard']['metrics']['bleu']['best'] = 0.5
        rewrite(path, json.dumps(state))
        said = train('--after', '20u', data='-one')
        self.assertIn(': Up. 20 : bleu : 0.00 : new best (by ce-mean-words: ', said)
        self.assertEqual(best(), 20)

    def test_resumed(self):
        def metrics():
            with open(os.path.join(MODEL, 'last', 'trainer_state.json')) as file:
                return json.load(file)['switchyard']['metrics']
        train('--after', '60u', data='-one')
        whole = metrics()
        self.setUp()
        for after in ('20u', '50u', '60u'):
            train('--after', after, data='-one')
        self.assertEqual(metrics(), whole)
        self.assertEqual(best(), whole['bleu']['best_update'])


class TheBest(ValidationTest):
    def test_is_the_largest_score_or_the_smallest_loss(self):
        for metric, sign in (('bleu', 1), ('chrf', 1), ('ce-mean-words', -1)):
            self.setUp()
            # A rate high enough for the scores to rise and fall.
            train('--valid-metrics', metric, '--learn-rate', '0.005', '--after', '200u')
            values = [sign * r[metric] for r in records('valid')]
            self.assertEqual(len(values), 20)
            falls = [a > b for a, b in zip(values, values[1:])]
            self.assertTrue(any(falls) and not all(falls), values)
            largest = max(values)
            self.assertEqual(values.count(largest), 1, values)
            self.assertEqual(best(), records('valid')[values.index(largest)]['update'], metric)


class EarlyStopping(ValidationTest):
    STUCK = ['--learn-rate', '0', '--early-stopping', '3']

    def assert_ended_at_40(self):
        self.assertEqual([r['update'] for r in records('valid')], [10, 20, 30, 40])
        self.assertEqual(best(), 10)

    def test_ends_a_run_that_cannot_improve(self):
        for metric in ('ce-mean-words', 'bleu'):
            self.setUp()
            train(*self.STUCK, '--valid-metrics', metric)
            self.assert_ended_at_40()
        train(*self.STUCK, '--valid-metrics', 'bleu')  # nothing to do
        self.assert_ended_at_40()

    def test_resumed_between_two_validations_that_are_no_better(self):
        for after in ('20u', '30u', '100u'):
            train(*self.STUCK, '--after', after)
        self.assert_ended_at_40()


class AllPairs(ValidationTest):
    def test_long_ones_are_cropped(self):
        said = train('--after', '10u')
        self.assertRegex(said, r'validation: 31 pairs, .*\b1 cropped to --max-length')


def translations(said):
    """Sources and translations that the log shows of each validation, by update."""
    found = {}
    for line in said.splitlines():
        if match := re.search(r'\[valid\] Ep\. .* : Up\. (\d+) : ', line):
            samples = found.setdefault(int(match[1]), [])
        elif match := re.search(r'\[valid\] (source|translation): +(.*)', line):
            samples.append(match[2])
    return {update: (samples[::2], samples[1::2]) for update, samples in found.items()}


class TheSavedModel(ValidationTest):
    def test_is_what_was_validated(self):
        smooth = translations(train('--exponential-smoothing', '0.02', '--keep-last', '10',
                                    data='-one'))
        self.assertEqual(list(smooth), list(range(10, 101, 10)))
        for update, (sources, samples) in smooth.items():
            self.assertEqual(samples, translate(sources, f'checkpoint-{update}'), update)
        # The average differs from the same run without one.
        self.setUp()
        self.assertNotEqual(smooth, translations(train(data='-one')))

    def test_is_given_the_source_prefix(self):
        prefix = ['--source-prefix', 'ba de fi ']
        said = train(*prefix, '--after', '60u', '--valid-freq', '60u', data='-one')
        sources, samples = translations(said)[60]
        self.assertEqual(samples, translate(sources, 'last', *prefix))
        self.assertNotEqual(samples, translate(sources, 'last'))


class Tokenizers(ValidationTest):
    def test_scores_and_signatures_are_those_of_switch_evaluate(self):
        with open('v-mixed.src', encoding='utf-8') as file:
            sources = file.read().splitlines()
        scores = set()
        for tokenizer in ('13a', 'intl', 'zh', 'char', 'none'):
            self.setUp()
            train('--valid-tokenize', tokenizer, '--after', '200u', '--valid-freq', '200u',
                  data='-mixed')
            hypotheses = translate(sources, 'last')
            expected = json.loads(output(
                EVALUATE, 'v-mixed.tgt', '--tokenize', tokenizer, '--width', '12',
                input=''.join(h + '\n' for h in hypotheses)).stdout)
            valid = records('valid')[-1]
            self.assertAlmostEqual(valid['bleu'], expected['score'], places=9, msg=tokenizer)
            self.assertIn('BLEU ' + expected['signature'] + ',', valid['signature'])
            self.assertIn(f'|tok:{tokenizer}|', valid['signature'])
            scores.add(valid['bleu'])
        self.assertEqual(len(scores), 5)

    def test_given_for_nothing_or_changed(self):
        for code, text, args in (
                (2, '--valid-tokenize', ['--valid-metrics', 'chrf', '--valid-tokenize', 'char']),
                (2, 'flores', ['--valid-tokenize', 'flores'])):
            result = subprocess.run(command(*args), capture_output=True, text=True)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(text, result.stderr)
        train('--after', '10u')
        result = subprocess.run(command('--after', '20u', '--valid-tokenize', 'char'),
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn('--valid-tokenize: was 13a, now char', result.stderr)


def main():
    # In memory if possible, since each checkpoint waits for the disk.
    memory = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        os.chdir(directory)
        make_corpora()
        unittest.main(argv=[sys.argv[0], *sys.argv[4:]])


if __name__ == '__main__':
    main()
