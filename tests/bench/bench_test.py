# SPDX-License-Identifier: Apache-2.0
"""A bench from the outside, with settings that take seconds: its last line is JSON, with figures.
usage: bench_test.py BENCH PROGRAM [MAKE_MODEL | SWITCH_TRAIN]
"""
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time

BENCH, PROGRAM = sys.argv[1], os.path.abspath(sys.argv[2])


def run(*args):
    done = subprocess.run([PROGRAM, *args], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f'exit {done.returncode}: {args}\n{done.stdout}{done.stderr}')
    result = json.loads(done.stdout.splitlines()[-1])
    if result['bench'] != BENCH:
        sys.exit(f'bench is {result["bench"]}')
    return result


def check_positive(result, *names):
    for name in names:
        if not (math.isfinite(result[name]) and result[name] > 0):
            sys.exit(f'{name} is {result[name]}: {result}')


def write_text(directory):
    path = os.path.join(directory, 'text')
    with open(path, 'w') as file:
        for i in range(60):
            print('ein Mann sieht', i % 7, 'Hunde beim', i // 7, 'Haus', file=file)
    return path


def train_step():
    with tempfile.TemporaryDirectory() as directory:
        text = write_text(directory)
        args = ['--train-sets', text, text, '--preset', 'tiny', '--vocab-size', '60',
                '--seconds', '0.2', '--json']
        result = run(*args, '--threads', '1')
        shared = run(*args, '--threads', '2')
    if (result['workers'], shared['workers']) != (1, 2):
        sys.exit(f'workers of one and two threads: {result}, {shared}')
    check_positive(shared, 'tokens_per_s')
    check_positive(result, 'tokens_per_s', 'mfu', 'gemm_gflops', 'step_ms', 'peak_bytes')
    phases = result['phase_ms']
    check_positive(phases, 'encoder_forward', 'decoder_forward', 'loss', 'decoder_backward',
                   'encoder_backward', 'norm', 'update', 'other')
    if phases['other'] > 0.5 * sum(phases.values()):
        sys.exit(f'most of a step is in no phase: {result}')


def decode():
    with tempfile.TemporaryDirectory() as directory:
        text, model = os.path.join(directory, 'text'), os.path.join(directory, 'model')
        with open(text, 'w') as file:
            file.write('abc de fgh.\n' * 5)
        subprocess.run([sys.argv[3], model], check=True, capture_output=True)
        args = ['--model', model, '--input', text, '--batch', '2', '--force-length', '7', '--json']
        result = run(*args, '--threads', '1')
        repeated = run(*args, '--threads', '2', '--seconds', '0.2')
        rotated = [run(*args, '--threads', '2', '--copies', '3', '--compute-type', name)
                   for name in ('float32', 'int8')]
    for r in result, repeated, *rotated:
        if r['target_tokens'] != 5 * 7:
            sys.exit(f'5 lines of 7 tokens: {r}')
        check_positive(r, 'source_tokens', 'tokens_per_s', 'mfu', 'gemm_gflops', 'latency_ms', 'step_ms',
                       'weight_bytes_per_step', 'weight_gb_per_s', 'read_gb_per_s', 'of_read',
                       'peak_bytes')
        phases = r['phase_ms']
        check_positive(phases, 'encoder', 'self_attention', 'cross_attention', 'feed_forward', 'head',
                       'search')
        if not math.isclose(sum(phases.values()), r['latency_ms']):
            sys.exit(f'the phases do not add up: {r}')
    if result['passes'] != 1 or repeated['passes'] < 2 or repeated['seconds'] < 0.2:
        sys.exit(f'one pass, and passes for 0.2 s: {result}, {repeated}')
    rate = repeated['passes'] * repeated['target_tokens'] / repeated['seconds']
    if not math.isclose(rate, repeated['tokens_per_s']):
        sys.exit(f'not the tokens of all passes: {repeated}')


def compare():
    ours = 'echo \'{"tokens_per_s": 200, "peak_bytes": 1000000}\''
    peer = 'echo starting; echo "peer batch=1: 1,600 tok/s, 0.3 it/s, peak 2 MB"'
    result = run(ours, peer, '--rounds', '2', '--pause', '0')
    if result['ratio']['tokens_per_s'] != {'median': 0.125, 'p20': 0.125, 'p80': 0.125}:
        sys.exit(f'ratio of 200 to 1,600: {result}')
    # In turns, a command runs half of the time, and its figure is doubled.
    share = ('import time; end = time.time() + 1\n'
             'while time.time() < end: pass\n'
             'print(time.process_time(), "tok/s")')
    runs = run(f"python3 -c '{share}'", 'sleep 1; echo 3 tok/s', '--rounds', '1', '--pause', '0',
               '--turns', '.05')['runs'][0]
    if runs[0]['tokens_per_s'] > 1.4 or runs[1]['tokens_per_s'] != 6:
        sys.exit(f'about 1 and 6, in turns: {runs}')
    # Nothing is left running or stopped when compare is ended.
    with tempfile.TemporaryDirectory() as directory:
        pids = [os.path.join(directory, name) for name in 'ab']
        process = subprocess.Popen([PROGRAM, *[f'echo $$ > {pid}; exec sleep 60' for pid in pids],
                                    '--pause', '0', '--turns', '.05'], stdout=subprocess.DEVNULL)
        while not all(os.path.exists(pid) and os.path.getsize(pid) for pid in pids):
            time.sleep(.01)
        process.terminate()
        if process.wait() != 128 + signal.SIGTERM:
            sys.exit(f'ended by SIGTERM with {process.returncode}')
        for pid in pids:
            with open(pid) as file:
                if os.path.exists(f'/proc/{file.read().strip()}'):
                    sys.exit('a command outlives compare')
    check_positive(run('echo 5 target tok/s', ours, '--rounds', '1', '--pause', '0')['runs'][0][0],
                   'tokens_per_s', 'peak_bytes')
    for args in [ours, 'echo nothing'], [ours, 'exit 3'], ['sleep 60', 'exit 3', '--turns', '.05']:
        done = subprocess.run([PROGRAM, *args, '--pause', '0'], text=True, capture_output=True,
                              timeout=50)  # it does not wait for what sleeps
        if done.returncode == 0 or args[1] not in done.stderr:
            sys.exit(f'{args}: {done}')


def curves():
    with tempfile.TemporaryDirectory() as directory:
        text = write_text(directory)
        args = [os.path.join(directory, 'runs'), '--seeds', '2', 'a: --num-experts 2', 'b:', '--',
                '--preset', 'tiny', '--vocab-size', '60', '--train-sets', text, text, '--valid-sets',
                text, text, '--after', '2e', '--valid-freq', '1e', '--threads', '1']
        result = run(*args)
        if run(*args) != result:
            sys.exit('finished runs are not taken as they are')
    for name in 'a', 'b':
        if [p['epoch'] for p in result['curves'][name]] != [1, 2] or len(result['runs'][name]) != 2:
            sys.exit(f'two runs with two validations each: {result}')
        for p in result['curves'][name]:
            check_positive(p, 'minutes')
            if not 0 <= p['least'] <= p['bleu'] <= p['most'] <= 100:
                sys.exit(f'no spread: {p}')


def moe_layer():
    result = run('--tokens', '1', '40', '--num-experts', '1', '8', '--d-model', '32', '--d-ff', '48',
                 '--compute-type', 'float32', '--seconds', '0.01', '--threads', '1', '--json')
    if len(result['rows']) != 2 * 2 * 3:
        sys.exit(f'rows: {result}')
    for row in result['rows']:
        check_positive(row, 'ms', 'tokens_per_s', 'gflops', 'of_onednn', 'dense_ms', 'tax')


def kernels():
    result = run('--rows', '16', '--d-model', '32', '--vocab', '40', '--length', '6',
                 '--seconds', '0.001', '--json')
    names = {row['kernel'] for row in result['rows']}
    if len(result['rows']) % len(names) != 0 or 'adamw' not in names:
        sys.exit(f'not every kernel on every instruction set: {result}')
    for row in result['rows']:
        check_positive(row, 'us', 'rate', 'limit', 'of_limit')


def growth():
    result = run('--sweep', 'batch', 'd-model', '--batch', '8', '2', '--d-model', '32', '64',
                 '--seconds', '0.01', '--threads', '1', '--json')
    rows = result['rows']
    if [(row['sweep'], row['value']) for row in rows] != [
            ('batch', 8), ('batch', 2), ('d-model', 32), ('d-model', 64)]:
        sys.exit(f'rows: {result}')
    for row in rows:
        check_positive(row, 'step_ms', 'ends_ms', 'tokens_per_s', 'law', 'law_from_bytes', 'of_law')
    if abs(rows[0]['of_law'] - 1) > 0.01:
        sys.exit(f'the law does not start from the first point: {result}')


{'train_step': train_step, 'decode': decode, 'compare': compare, 'curves': curves,
 'moe_layer': moe_layer, 'kernels': kernels, 'growth': growth}[BENCH]()
