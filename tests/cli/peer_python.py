# SPDX-License-Identifier: Apache-2.0
"""The Python of the tests that compare with transformers: $SWITCHYARD_PYTHON, or this one.

    with packages():
        import torch
        import transformers
"""
import contextlib
import os
import sys


@contextlib.contextmanager
def packages():
    """Starts the program again under $SWITCHYARD_PYTHON if that is set and another Python. If an import in
    the block fails, the test is skipped: exit code 77."""
    wanted = os.environ.get('SWITCHYARD_PYTHON')
    if wanted and os.path.abspath(wanted) != sys.executable:
        os.environ['SWITCHYARD_PYTHON'] = ''
        os.execv(wanted, [wanted, *sys.argv])
    try:
        yield
    except ImportError as error:
        print(f'skipped: {error}; set SWITCHYARD_PYTHON to a Python that has it')
        sys.exit(77)
