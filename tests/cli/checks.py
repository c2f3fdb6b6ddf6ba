# SPDX-License-Identifier: Apache-2.0
"""Checks that do not end the test, so that one run shows all failures."""
failed = []


def check(ok, what):
    if not ok:
        failed.append(what)
        print('FAILED:', what, flush=True)


def exit_code():
    """Prints how many checks failed and returns the test's exit code."""
    print(f'{len(failed)} failed')
    return 1 if failed else 0
