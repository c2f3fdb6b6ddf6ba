#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""switch-evaluate and the options that all tools share, run as a program: evaluate_test.py PROGRAM MAKE_MODEL

The expected scores are those of sacrebleu 2.6.0 on the same lines.
"""
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DIRECTORY = tempfile.TemporaryDirectory()
HYP = "The cat sat on the mat.\nEin kleiner Hund läuft.\n\n日本語 の文。\n"
REF = "The cat sat on a mat.\nEin kleiner Hund rennt schnell.\n\n日本語の文です。\n"
REF2 = "A cat sat on the mat.\nein Hund läuft.\nx\n日本語 の文。\n"


def path(name):
    return os.path.join(DIRECTORY.name, name)


def write(name, text):
    with open(path(name), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path(name)


def run(*args, stdin=b"", **kwargs):
    """Exit code, stdout, stderr."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    p = subprocess.run([PROGRAM, *args], input=stdin, stderr=subprocess.PIPE, timeout=60, **kwargs)
    return p.returncode, (p.stdout or b"").decode(), p.stderr.decode()


class Scores(unittest.TestCase):
    def test_numbers_in_the_given_order(self):
        out = run(REF_FILE, "-i", HYP_FILE, "-m", "bleu", "chrf", "-b", "-w", "9")
        self.assertEqual(out, (0, "39.502777875\n57.676931933\n", ""))
        self.assertEqual(run(REF_FILE, "-i", HYP_FILE, "-m", "chrf", "bleu", "-b", "-w", "9")[1], "57.676931933\n39.502777875\n")

    def test_stdin_gzip_and_crlf_change_nothing(self):
        want = run(REF_FILE, "-i", HYP_FILE)
        self.assertEqual(run(REF_FILE, stdin=HYP.encode()), want)
        self.assertEqual(run(REF_FILE, "-i", "-", stdin=HYP.replace("\n", "\r\n").encode()), want)
        self.assertEqual(run(REF_FILE, stdin=b"\xef\xbb\xbf" + HYP.rstrip("\n").encode()), want)
        self.assertEqual(run(write("ref.gz", gzip.compress(REF.encode())), "-i", HYP_FILE), want)

    def test_json(self):
        scores = json.loads(run(REF_FILE, REF2_FILE, "-i", HYP_FILE, "-m", "bleu", "chrf", "--chrf-word-order=2")[1])
        self.assertEqual([s["name"] for s in scores], ["BLEU", "chrF2++"])
        self.assertEqual([s["score"] for s in scores], [87.4, 82.2])
        self.assertEqual(scores[0]["verbose_score"], "100.0/100.0/87.5/66.7 (BP = 1.000 ratio = 1.077 hyp_len = 14 ref_len = 13)")
        self.assertEqual((scores[0]["nrefs"], scores[0]["tok"], scores[1]["nw"]), ("2", "13a", "2"))
        self.assertTrue(scores[0]["version"].endswith("(sacrebleu-2.6.0)"))
        self.assertEqual(json.loads(run(REF_FILE, "-i", HYP_FILE)[1])["name"], "BLEU")

    def test_text_and_settings(self):
        out = run(REF_FILE, "-i", HYP_FILE, "-f", "text", "-tok", "zh", "-s", "floor", "-lc", "-w", "4")[1]
        self.assertRegex(out, r"^BLEU\|nrefs:1\|case:lc\|eff:no\|tok:zh\|smooth:floor\[0\.10\]\|version:\S+ = 50\.1645 ")

    def test_sentences(self):
        out = run(REF_FILE, "-i", HYP_FILE, "--sentence-level", "-b", "-w", "4")[1]
        self.assertEqual(out, "48.8923\n34.9833\n0.0000\n0.0000\n")


class Perplexity(unittest.TestCase):
    SOURCE, REFERENCE = "abc d\n\nefg hij k.\n" * 400, "b c\nde f.\n\n" * 400

    def setUp(self):
        self.args = [write("p.ref", self.REFERENCE), "--model", MODEL, "--src", write("p.src", self.SOURCE)]

    def test_lines_add_up_to_the_perplexity(self):
        code, out, err = run(*self.args, "--per-line", "-w", "9")
        self.assertEqual(code, 0, err)
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([row["line"] for row in rows], list(range(1, 1201)))
        for row in rows:
            self.assertEqual(len(row["tokens"]), len(row["token_log_probs"]))
            self.assertEqual(row["tokens"][-1], "</s>")
            self.assertAlmostEqual(sum(row["token_log_probs"]), row["log_prob"], delta=1e-6)
            self.assertLess(row["log_prob"], 0)
        self.assertEqual(rows[2]["tokens"], ["</s>"])
        # The same lines have the same score, whatever is next to them.
        self.assertEqual(len({row["log_prob"] for row in rows}), 3)
        total, tokens = sum(row["log_prob"] for row in rows), sum(len(row["tokens"]) for row in rows)
        summary = json.loads(run(*self.args, "-m", "perplexity")[1])
        self.assertEqual((summary["name"], summary["tokens"], summary["lines"]), ("perplexity", tokens, 1200))
        self.assertAlmostEqual(summary["score"], math.exp(-total / tokens), delta=1e-4)
        self.assertIn("perplexity = %.4f" % summary["score"], run(*self.args, "--per-line", "-w", "4")[2])

    def test_formats(self):
        rows = run(*self.args, "--per-line", "-f", "text", "-q")[1].splitlines()
        total, count, parts = rows[0].split("\t")
        self.assertEqual(len(parts.split(" ")), int(count))
        self.assertEqual(run(*self.args, "--per-line", "-b", "-q")[1].splitlines()[0], total)
        self.assertRegex(run(*self.args, "-m", "perplexity", "-f", "text")[1], r"^perplexity = [0-9.]+ \(log-prob")
        self.assertRegex(run(*self.args, "-m", "perplexity", "-b", "-w", "2")[1], r"^[0-9]+\.[0-9]{2}\n\Z")

    def test_bad_input(self):
        def fails(code, part, *args):
            found = run(*args)
            self.assertEqual((found[0], found[1]), (code, ""), found)
            self.assertIn(part, found[2])
        ref, model, source = self.args[0], ["--model", MODEL], ["--source", self.args[4]]
        fails(3, "p.ref has 1,200 lines, " + write("two", "a\nb\n") + " has 2 lines", ref, *model, "--source",
              path("two"), "--per-line")
        fails(3, "two:2: 5,001 tokens, expected at most 4,096", write("two", "a\n" + "a " * 5000 + "\n"), *model,
              "--source", write("s", "a\nb\n"), "--per-line")
        fails(3, "0 lines", write("none", ""), *model, "--source", path("none"), "--per-line")
        fails(1, "No such file", ref, *model, "--source", path("absent"), "--per-line")
        fails(1, "absent", ref, "--model", path("absent"), *source, "--per-line")
        fails(2, "--model: missing", ref, *source, "--per-line")
        fails(2, "--source: missing", ref, *model, "-m", "perplexity")
        fails(2, "--model: needs --per-line", ref, *model, *source)
        fails(2, "--per-line: with --metrics bleu", ref, *model, *source, "--per-line", "-m", "bleu")
        fails(2, "--metrics: perplexity with 1 more", ref, *model, *source, "-m", "perplexity", "bleu")
        fails(2, "--sentence-level", ref, *model, *source, "-m", "perplexity", "--sentence-level")
        fails(2, "--input", ref, *model, *source, "--per-line", "-i", ref)
        fails(2, "2 references, expected one", ref, ref, *model, *source, "--per-line")


class Errors(unittest.TestCase):
    def fails(self, code, part, *args, **kwargs):
        result = run(*args, **kwargs)
        self.assertEqual((result[0], result[1]), (code, ""), result)
        self.assertIn(part, result[2])
        self.assertRegex(result[2], r"\Aswitch-evaluate: error: [^\n]+\n\Z")

    def test_data(self):
        self.fails(3, "ref has 4 lines, stdin has 3 lines", REF_FILE, stdin=b"a\nb\nc\n")
        self.fails(3, "stdin has 0 lines", REF_FILE)
        self.fails(3, "gzip", write("packed", gzip.compress(b"a\n")), stdin=b"a\n")
        self.fails(3, "UTF-16", write("wide", "a\n".encode("utf-16")), stdin=b"a\n")
        self.fails(1, "No such file", path("absent"), stdin=b"a\n")

    def test_usage(self):
        self.fails(2, "no reference")
        self.fails(2, "did you mean --metrics?", REF_FILE, "--metric", "bleu")
        self.fails(2, "'ter', expected one of: bleu, chrf, perplexity", REF_FILE, "-m", "ter")
        self.fails(2, "a value is missing", REF_FILE, "--input")
        self.fails(2, "a value is missing", REF_FILE, "--input", "--width", "3")
        self.fails(2, "given 2 times", REF_FILE, "-w", "3", "-w", "4")
        self.fails(2, "found 2 metrics", REF_FILE, "-m", "bleu", "chrf", "--sentence-level")
        self.fails(2, "\\x0A", REF_FILE, "--x\n\x1b[31m")
        for value in ["-1", "99999999999", "1e3", "0x10", "", " 5", "5k", "nan", "+3", "3.0"]:
            self.fails(2, "expected an integer from 0 to 17", REF_FILE, "-w", value)
        for value in ["-1", "nan", "inf", "", " 5", "5k", "0x10", "1e9"]:
            self.fails(2, "expected a number from 0 to", REF_FILE, "--smooth-value", value)
        self.fails(2, "from 0 to 1024", REF_FILE, "--threads", "1000000")

    def test_references_come_first(self):
        order = "; a file name must come first: switch-evaluate REF... [-i HYPOTHESES] [options]"
        self.fails(2, f"--metrics: found '{REF_FILE}', expected one of: bleu, chrf, perplexity{order}\n",
                   "-m", "bleu", "chrf", REF_FILE)
        self.fails(2, "--metrics: found 'ter', expected one of: bleu, chrf, perplexity\n", REF_FILE, "-m", "ter")

    def test_counts_agree_with_their_nouns(self):
        self.fails(3, "one has 1 line, " + HYP_FILE + " has 4 lines", write("one", "a\n"), "-i", HYP_FILE)
        self.fails(2, "--width: given 2 times, expected once", REF_FILE, "-w", "1", "-w", "2")
        err = run(write("cut", b"a\xff\n"), stdin=b"b\n")[2]
        self.assertIn("cut: 1 place of invalid UTF-8 replaced by U+FFFD, the first in line 1\n", err)

    def test_help_and_version(self):
        for args in [["--help"], ["-h", "--no-such-option"], ["--width", "x", "--help"]]:
            code, out, err = run(*args)
            self.assertEqual((code, err), (0, ""))
            self.assertTrue(out.startswith("Usage: switch-evaluate REF..."))
        self.assertRegex(run("--version", "--bad")[1], r"\Aswitch-evaluate [0-9.]+\n\Z")

    def test_stdout(self):
        with open("/dev/full", "wb") as full:
            self.fails(1, "write error", REF_FILE, "-i", HYP_FILE, stdout=full)
        reader, writer = os.pipe()
        os.close(reader)
        self.assertEqual(run(REF_FILE, "-i", HYP_FILE, stdout=writer), (0, "", ""))
        os.close(writer)

    def test_odd_names(self):
        for name in ["with blank", "Straße", "-dash", "new\nline"]:
            write(name, REF)
            code, _, err = run("--", name, cwd=DIRECTORY.name, stdin=HYP.encode())
            self.assertEqual((code, err), (0, ""))

    def test_locale(self):
        want = run(REF_FILE, "-i", HYP_FILE)[1]
        for locale in ["de_DE.UTF-8", "tr_TR.UTF-8", "C"]:
            self.assertEqual(run(REF_FILE, "-i", HYP_FILE, env={"LC_ALL": locale})[1], want)


class Config(unittest.TestCase):
    def test_config_file(self):
        config = write("a.yml", "references: [ref]\nscore_only: true\ninput: hyp\nwidth: 9\n")
        self.assertEqual(run("-c", config)[1], "39.502777875\n")
        self.assertEqual(run("-c", config, "-m", "chrf")[1], "57.676931933\n")
        self.assertEqual(run("-c", config, "--width=0", "--score_only=on")[1], "40\n")

    def test_bad_config_files(self):
        for text, part in [("widht: 3\n", "bad.yml:1: unknown option 'widht'; did you mean --width?"),
                           ("\nwidth: 3k\n", "bad.yml: --width: found '3k'"),
                           ("width: 3\nwidth: 4\n", "given twice"), ("- a\n", "expected lines of"),
                           ("width: {a: 1}\n", "expected a value"), ("width: [1\n", "bad.yml:2:1"),
                           ("help: true\n", "allowed only on the command line")]:
            code, out, err = run(REF_FILE, "-c", write("bad.yml", text))
            self.assertEqual((code, out), (2, ""))
            self.assertIn(part, err)


MODEL = path("model")
subprocess.run([os.path.abspath(sys.argv[2]), MODEL], check=True)
HYP_FILE, REF_FILE, REF2_FILE = write("hyp", HYP), write("ref", REF), write("ref2", REF2)
unittest.main(argv=sys.argv[:1])
