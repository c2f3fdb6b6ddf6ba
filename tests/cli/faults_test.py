# SPDX-License-Identifier: Apache-2.0
"""Tests the tools on bad input: faults_test.py SUITE MAKE_MODEL SWITCH_TRAIN SWITCH_TRANSLATE
SWITCH_EVALUATE SWITCH_CONVERT

A suite is a module in faults/: tables of damaged inputs and what the tools must say. faults/judge.py
judges each case.
"""
import importlib
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the modules are in the source tree
from faults.judge import Judge, Tools


def main():
    suite = importlib.import_module('faults.' + sys.argv[1])
    judge = Judge(Tools(*(os.path.abspath(path) for path in sys.argv[2:])))
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        suite.run(judge)
        os.chdir('/')
    print(f'{judge.cases} cases, {judge.failed} failed')
    return 1 if judge.failed or not judge.cases else 0


sys.exit(main())
