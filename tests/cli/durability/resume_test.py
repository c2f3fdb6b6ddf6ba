#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a run resumes from: damaged checkpoints and links, changed options and texts, nothing to do."""
import os
import shutil

from training_runs import MODEL, RunsTest, command, fresh, main, picture, read, run


class Resume(RunsTest):
    ARGS = command('--keep-last', '3')

    def test_damaged_checkpoints(self):
        expected = self.whole(self.ARGS)
        run(self.ARGS)
        names = sorted(n for n in os.listdir(MODEL) if n.startswith('checkpoint-'))
        self.assertEqual(names, ['checkpoint-1', 'checkpoint-2', 'checkpoint-3'])
        for name in sorted(os.listdir(os.path.join(MODEL, names[2]))):
            path = os.path.join(MODEL, names[2], name)
            good = read(path)
            middle = len(good) // 2
            for bad in (good[:middle], good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:]):
                with open(path, 'wb') as file:
                    file.write(bad)
                said = self.assert_resumes(self.ARGS, expected, f'{name} damaged')
                self.assertIn('skipping damaged checkpoint', said)
                self.assertIn('resuming from checkpoint-2', said)
        # With --keep-last 1, the one that is kept must not be the damaged one.
        with open(os.path.join(MODEL, names[2], 'model.safetensors'), 'ab') as file:
            file.write(b'x')
        self.assertEqual(run(command('--after', '2u')).returncode, 0)
        without_1 = {k: v for k, v in expected.items() if not k.startswith('checkpoint-1')}
        self.assert_resumes(self.ARGS, without_1, 'kept')
        for name in os.listdir(MODEL):
            if name.startswith('checkpoint-'):
                os.remove(os.path.join(MODEL, name, 'optimizer.safetensors'))
        before = picture()
        result = run(self.ARGS)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn('all damaged', result.stderr)
        self.assert_same(before)

    def test_links_are_only_for_users(self):
        expected = self.whole(self.ARGS)
        run(self.ARGS)
        for name in ('last', 'best'):
            path = os.path.join(MODEL, name)
            for target in (None, 'nowhere', 'checkpoint-77', 'checkpoint-1', '../../etc'):
                os.remove(path)
                if target:
                    os.symlink(target, path)
                self.assert_resumes(self.ARGS, expected, f'{name} -> {target}')
            os.remove(path)
            with open(path, 'w') as file:
                file.write('garbage')
            self.assert_resumes(self.ARGS, expected, f'{name} is a file')
        # The best checkpoint is kept even if nothing points to it.
        os.remove(os.path.join(MODEL, 'best'))
        self.assert_resumes(command('--after', '3u', '--keep-last', '1'),
                            {k: v for k, v in expected.items()
                           if not k.startswith(('checkpoint-1', 'checkpoint-2'))}, 'kept')

    def test_at_the_last_step_twice(self):
        expected = self.whole(self.ARGS)
        run(self.ARGS)
        for _ in range(2):
            before = os.stat(os.path.join(MODEL, 'last', 'model.safetensors')).st_mtime_ns
            said = self.assert_resumes(self.ARGS, expected, 'nothing to do')
            self.assertNotIn(': Up. ', said)
            self.assertEqual(os.stat(os.path.join(MODEL, 'last', 'model.safetensors')).st_mtime_ns,
                           before)

    def test_records_beyond_the_checkpoint_are_cut_off(self):
        expected = self.whole(self.ARGS)
        run(self.ARGS)
        with open(os.path.join(MODEL, 'metrics.jsonl'), 'a') as file:
            file.write('{"event": "train", "update": 4}\n' * 9 + '{"event": "tra')
        self.assert_resumes(self.ARGS, expected, 'records of updates that are lost')

    def test_what_may_not_change(self):
        run(self.ARGS)
        before = picture()
        for args, code, words in (
                (command('--seed', '5', '--mini-batch-words', '100', '--keep-last', '3'), 2,
                 ['--seed: was 1, now 5', '--mini-batch-words: was 64, now 100']),
                (command(data='b'), 3, ['the text of --train-sets']),
                (command('--valid-sets', 'b.src', 'b.tgt', data='v'), 3,
                 ['the text of --train-sets', 'the text of --valid-sets']),
                (command('--vocab', 'other.model'), 3, ['the vocabulary'])):
            result = run(args)
            self.assertEqual(result.returncode, code, result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)
            self.assert_same(before)
        # The same, with the vocabulary replaced in the model directory itself.
        shutil.copy('other.model', os.path.join(MODEL, 'spiece.model'))
        result = run(command(vocab=False))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn('the vocabulary', result.stderr)
        # Moving the text is not a change.
        fresh()
        run(self.ARGS)
        for name in ('a.src', 'a.tgt'):
            shutil.copy(name, 'moved-' + name)
        moved = command('--train-sets', 'moved-a.src', 'moved-a.tgt', '--keep-last', '3')
        self.assert_resumes(moved, before, 'moved')

    def test_begun_before_an_option_was_there(self):
        expected = self.whole(self.ARGS)
        run(self.ARGS)
        path = os.path.join(MODEL, 'training_args.yml')
        with open(path) as file:
            settings = file.readlines()
        with open(path, 'w') as file:
            file.writelines(s for s in settings if not s.startswith('embedding-std:'))
        result = run(self.ARGS + ['--embedding-std', '0.5'])
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn('--embedding-std: was 1, now 0.5', result.stderr)
        self.assert_resumes(self.ARGS, expected, 'begun without --embedding-std')


if __name__ == '__main__':
    main()
