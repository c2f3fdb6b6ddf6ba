#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The order of file system calls of every durable write: what is renamed into place was synced before,
with all it contains, and the directory is synced right after. Killing a process cannot show this:
what it has written outlives it, synced or not.
usage: as the others, with durable_writes after FAULT_INJECTION.so"""
import errno
import os
import re
import sys

from training_runs import MODEL, RunsTest, calls_of, command, main, run

WRITER = os.path.abspath(sys.argv.pop(4))
CALLS = 'create,write,ftruncate,fsync,rename,mkdir,symlink,unlink,rmdir'
NEVER_SYNCED = {os.path.join(MODEL, '.lock')}


def is_temporary(path):
    return '.tmp-' in os.path.basename(path)


class Order(RunsTest):
    def check_order(self, script):
        """Returns the paths that were renamed to, in order, without temporary names."""
        dirty = set()  # files written and directories changed that are not yet synced
        to_sync = None  # the directory of the last rename, until it is synced
        placed = []
        for number, call, path, *old in script:
            what = f'call {number}, {call} {path}'
            directory = os.path.dirname(path)
            if to_sync and call != 'rename':
                self.assertEqual((call, path), ('fsync', to_sync), f'{what}, after a rename')
                to_sync = None
            if call == 'fsync':
                dirty.discard(path)
            elif call in ('write', 'ftruncate'):
                dirty.add(path)
            elif call == 'create':
                dirty |= {path, directory}
            elif call != 'rename':
                dirty.add(directory)
            elif is_temporary(path):  # moved aside, or about to be removed
                dirty.add(directory)
            else:
                inside = [p for p in dirty if (p + '/').startswith(old[0] + '/')]
                self.assertEqual(inside, [], f'{what}: not synced before the rename')
                to_sync = directory
                placed.append(re.sub(r'\.tmp-[0-9-]+', '', os.path.relpath(path, MODEL)))
        self.assertIsNone(to_sync, 'the last rename')
        left = {p for p in dirty if os.path.isfile(p)} - NEVER_SYNCED
        self.assertEqual({p for p in left if p != os.path.join(MODEL, 'metrics.jsonl')}, set())
        return placed

    def test_each_function(self):
        args = [WRITER, MODEL]
        self.assertEqual(self.check_order(calls_of(args, CALLS)),
                         ['file', 'copy', 'link', 'new', 'new'])

    def test_where_directories_cannot_be_exchanged(self):
        args = [WRITER, MODEL]
        exchange = [int(number) for number, call, path, *old in calls_of(args, CALLS)
                    if call == 'rename' and path == os.path.join(MODEL, 'new')][1]
        placed = self.check_order(calls_of(args, CALLS, fault=errno.EINVAL, at=exchange))
        self.assertEqual(placed, ['file', 'copy', 'link', 'new', 'new', 'new'])

    def test_training(self):
        for vocab in (True, False):  # given, or trained by the run
            placed = self.check_order(calls_of(command('--after', '2u', vocab=vocab), CALLS))
            for name in ('training_args.yml', 'spiece.model', 'checkpoint-1', 'checkpoint-2',
                         'checkpoint-2/model.safetensors', 'last', 'best', 'model.safetensors'):
                self.assertIn(name, placed)

    def test_new_directories(self):
        inner = os.path.join(MODEL, 'a', 'b')
        seen = []
        for _, call, path, *old in calls_of(command(model=inner), CALLS):
            if call == 'rename' and path == os.path.join(inner, 'checkpoint-1'):
                break
            seen.append((call, path))
        for path in (os.path.dirname(inner), inner):
            made = seen.index(('mkdir', path))
            self.assertIn(('fsync', os.path.dirname(path)), seen[made:], f'{path} was made')

    def test_training_resumed_and_started_over(self):
        self.assertEqual(run(command('--after', '2u')).returncode, 0)
        placed = self.check_order(calls_of(command('--after', '4u'), CALLS, keep=True))
        self.assertIn('checkpoint-4', placed)
        self.assertNotIn('checkpoint-1', placed)
        placed = self.check_order(calls_of(command('--overwrite'), CALLS, keep=True))
        self.assertIn('training_args.yml', placed)
        self.assertIn('checkpoint-1', placed)

    def test_an_old_checkpoint_is_removed_last(self):
        newest = 0
        for _, call, path, *old in calls_of(command(), CALLS):
            name = os.path.basename(path)
            if call != 'rename' or not name.startswith('checkpoint-'):
                continue
            if is_temporary(path):
                update = int(os.path.basename(old[0]).removeprefix('checkpoint-'))
                self.assertLess(update, newest)
            else:
                newest = int(name.removeprefix('checkpoint-'))
        self.assertEqual(newest, 3)


if __name__ == '__main__':
    main()
