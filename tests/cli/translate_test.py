#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""switch-translate from the outside: translate_test.py MAKE_MODEL SWITCH_TRANSLATE"""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

MAKE_MODEL, TRANSLATE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, "model")
SHORT = ["--max-output-length", "12", "-q"]


def start(*args, **kwargs):
    model = [] if "-m" in args else ["-m", MODEL]
    return subprocess.Popen(
        [TRANSLATE, *model, *SHORT, *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def translate(text, *args):
    """Exit code, stdout, stderr."""
    process = start(*args)
    out, err = process.communicate(text, timeout=120)
    return process.returncode, out, err.decode()


class Lines(unittest.TestCase):
    def lines(self, text, *args):
        code, out, err = translate(text, *args)
        self.assertEqual(code, 0, err)
        out.decode()  # valid UTF-8
        self.assertEqual(out.count(b"\n"), len(out.split(b"\n")) - 1)
        return out.split(b"\n")[:-1], err

    def test_order_and_count_for_every_grouping(self):
        words = ["abc", "d efg", "hij k lmno", "p", "qrs tu v wxyz abcd", "efgh. ij"]
        text = "".join(f"{words[i % 6]} {words[i * i % 5]}\n" for i in range(97)).encode()
        for compute_type in ("float32", "int8"):
            common = ["-b", "2", "--compute-type", compute_type]
            expected, _ = self.lines(text, *common)
            self.assertEqual(len(expected), 97)
            for args in (["--mini-batch", "1"], ["--mini-batch", "5", "--maxi-batch", "2"],
                         ["--workers", "3", "--threads", "3"], ["--workers", "1", "--threads", "2"]):
                self.assertEqual(self.lines(text, *common, *args)[0], expected, args)
            alone = [self.lines(line + b"\n", *common)[0][0] for line in text.split(b"\n")[:5]]
            self.assertEqual(alone, expected[:5])

    def test_source_prefix(self):
        text = b"abc d efg\n\n  hij k\n"
        with_it = b"".join(b"tr: " + line + b"\n" for line in text.split(b"\n")[:-1])
        expected, _ = self.lines(with_it)
        expected[1] = b""  # a blank line stays blank
        self.assertEqual(self.lines(text, "--source-prefix", "tr: ")[0], expected)
        self.assertNotEqual(self.lines(text)[0], expected)
        # Each part of a long line has it, and fits with it.
        long_line = b"abc d efg. " * 30 + b"\n"
        for room in ("12", "40"):
            self.lines(long_line, "--source-prefix", "tr: ", "--long-input", "split",
                       "--max-input-length", room)
        code, _, err = translate(text, "--source-prefix", "tr: " * 9, "--max-input-length", "9")
        self.assertEqual(code, 2)
        self.assertIn("with this source prefix", err)

    def prefix_file(self, text):
        path = os.path.join(FOLDER.name, "prefixes")
        with open(path, "wb") as file:
            file.write(text)
        return path

    def test_prefix(self):
        text = b"abc d efg\n\n  hij k\nlm no\n"
        free, _ = self.lines(text)
        path = self.prefix_file(b"xy z\nabc\n\nq\n")
        for args in (["-b", "5"], ["-b", "1"], ["--maxi-batch", "1", "--mini-batch", "1"],
                     ["--do-sample"], ["--long-input", "error"]):
            out, _ = self.lines(text, "--prefix", path, *args)
            self.assertEqual(len(out), 4)
            self.assertTrue(out[0].startswith(b"xy z"), out)
            self.assertEqual(out[1], b"")  # a blank line stays blank
            self.assertTrue(out[3].startswith(b"q"), out)
        out, _ = self.lines(text, "--prefix", path)
        self.assertEqual(out[2], free[2])  # an empty prefix leaves it free
        self.assertNotEqual(out[0], free[0])
        self.assertEqual(self.lines(text, "--target-prefix", self.prefix_file(b"\n" * 4))[0], free)
        for row in self.lines(text, "--n-best", "--prefix", self.prefix_file(b"xy z\n" * 4))[0]:
            number, text_, _ = row.split(b" ||| ")
            self.assertTrue(text_.startswith(b"xy z") or number == b"1", row)
        self.assertEqual(self.lines(b"", "--prefix", self.prefix_file(b""))[0], [])

    def test_prefixes_that_are_refused(self):
        text = b"a\nb\nc\n"
        for prefixes, options, code, message in (
                (b"a\n", [], 3, "prefixes: 1 line, expected 3 as in stdin"),
                (b"a\n" * 5, [], 3, "prefixes: 5 lines, expected 3 as in stdin"),
                (b"\na b c d e f g h i j k l m\n\n", [], 3, "expected fewer than the maximum output "
                 "length 12"),
                (b"\n\n\xff\n", [], 3, "prefixes:3: target prefix is not UTF-8"),
                (b"\n\n\n", ["--long-input", "split"], 2, "--prefix: a line translated in parts")):
            found, _, err = translate(text, "--prefix", self.prefix_file(prefixes), *options)
            self.assertEqual(found, code, err)
            self.assertIn(message, err)
            self.assertEqual(err.count("\n"), 1, err)
        self.assertIn("prefixes:2: target prefix of ", translate(
            text, "--prefix", self.prefix_file(b"\na b c d e f g h i j k l m\n\n"))[2])
        self.assertIn("stdin is also the input", translate(text, "--prefix", "-")[2])
        self.assertEqual(translate(text, "--prefix", FOLDER.name + "/nowhere")[0], 1)
        eos = [str(i) for i in range(3, 200)]
        found, _, err = translate(text, "--prefix", self.prefix_file(b"\na\n\n"), "--eos-token-id",
                                  *eos[:-1], "-b", "1")
        self.assertEqual(found, 3, err)
        self.assertRegex(err, "prefixes:2: target prefix has the token '▁a' .*, expected none that ends")

    def test_odd_text_gives_one_line_each(self):
        odd = [b"", b"   ", b"\t", "\u3000".encode(), "\u200b\u200d".encode(), b"a\0b",
               "a\u2028b\u0085c".encode(), b"\xc0\xaf", b"\xed\xa0\x80 x", b"cut \xe2\x82",
               b"</s> <pad> <extra_id_0> \xe2\x96\x81", b"\x1b[31m", b"a\rb",
               ("e" + "\u0301" * 10000).encode(), "👩‍👩‍👧‍👦 مرحبا \ue000".encode(), b"x" * 1000000,
               b"abc def " * 20000]
        out, err = self.lines(b"\n".join(odd) + b"\n")
        self.assertEqual(len(out), len(odd))
        for i in range(4):
            self.assertEqual(out[i], b"")
        self.assertIn("invalid UTF-8", err)
        self.assertIn("stdin:16: cropped", err)
        self.assertIn("stdin:17: cropped", err)

    def test_ends_of_lines(self):
        expected, _ = self.lines(b"abc d\n\nefg\n")
        self.assertEqual(self.lines(b"abc d\r\n\r\nefg\r\n")[0], expected)
        self.assertEqual(self.lines(b"abc d\n\nefg")[0], expected)
        self.assertEqual(self.lines(b"\xef\xbb\xbfabc d\n\nefg")[0], expected)
        self.assertEqual(self.lines(b"")[0], [])
        self.assertEqual(self.lines(b"\n")[0], [b""])

    def test_control_tokens_in_text_do_not_end_the_sentence(self):
        out, _ = self.lines(b"abc </s> def ghi\nabc\n", "--scores")
        self.assertNotEqual(out[0], out[1])

    def test_long_lines(self):
        text = b"abc def. " * 30 + b"\nabc\n"
        cropped, err = self.lines(text, "--max-input-length", "20")
        self.assertEqual(len(cropped), 2)
        self.assertIn("stdin:1: cropped to 20 tokens", err)
        split, _ = self.lines(text, "--max-input-length", "20", "--long-input", "split")
        self.assertEqual(len(split), 2)
        self.assertTrue(split[0].startswith(cropped[0][:3]))
        self.assertGreater(len(split[0]), 2 * len(cropped[0]))
        self.assertEqual(split[1], cropped[1])
        code, out, err = translate(text, "--max-input-length", "20", "--long-input", "error")
        self.assertEqual((code, out), (3, b""))
        self.assertIn("stdin:1: more than", err)

    def test_the_limit_counts_eos(self):
        # Two words are two tokens or more, here two.
        for limit, code in (("2", 3), ("3", 0)):
            args = ["--long-input", "error", "--max-input-length", limit]
            self.assertEqual(translate(b"a b\n", *args)[0], code, limit)

    def test_long_lines_are_split_between_sentences(self):
        def tokens(text):
            """Of the text, without eos."""
            return next(n for n in range(1, 50) if translate(
                text + b"\n", "--long-input", "error", "--max-input-length", str(n + 1))[0] == 0)
        sentence = b"abc d efg."
        alone = self.lines(sentence + b"\n")[0][0]
        # Room for a sentence, and for a word of the next.
        for room in (tokens(sentence), tokens(sentence) + tokens(b"abc")):
            with self.subTest(room=room):
                args = ["--long-input", "split", "--max-input-length", str(room + 1)]
                line = b" ".join([sentence] * 5) + b"\n"
                self.assertEqual(self.lines(line, *args)[0], [b" ".join([alone] * 5)])
        prefix = ["--source-prefix", "tr: "]
        with_it = self.lines(sentence + b"\n", *prefix)[0][0]
        self.assertNotEqual(with_it, alone)
        room = tokens(b"tr: " + sentence) + tokens(b"abc")
        args = [*prefix, "--long-input", "split", "--max-input-length", str(room + 1)]
        self.assertEqual(self.lines(line, *args)[0], [b" ".join([with_it] * 5)])

    def test_n_best_and_scores(self):
        plain, _ = self.lines(b"abc def\n\nghi\n", "-b", "3")
        scores, _ = self.lines(b"abc def\n\nghi\n", "-b", "3", "--scores")
        n_best, _ = self.lines(b"abc def\n\nghi\n", "-b", "3", "--n-best")
        two, _ = self.lines(b"abc def\n\nghi\n", "-b", "3", "--n-best=2")
        rows = [line.split(b" ||| ") for line in n_best]
        self.assertEqual([row[0] for row in rows], [b"0"] * 3 + [b"1"] + [b"2"] * 3)
        line_by_line = ["--mini-batch", "1", "--maxi-batch", "1"]
        self.assertEqual(self.lines(b"abc def\n\nghi\n", "-b", "3", "--n-best", *line_by_line)[0],
                         n_best)
        self.assertEqual(rows[0][1], plain[0])
        self.assertEqual(b" ||| ".join(rows[0][1:]), scores[0])
        self.assertEqual(scores[1], b" ||| 0")
        for line in (0, 4):
            values = [float(row[2]) for row in rows[line:line + 3]]
            self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual(two, n_best[:2] + [n_best[3]] + n_best[4:6])
        self.assertEqual(self.lines(b"abc def\n\nghi\n", "-b", "3", "--n-best", "2")[0], two)
        self.assertEqual(self.lines(b"abc def\n\nghi\n", "--n-best", "-b", "3")[0], n_best)

    def test_memory_does_not_grow_with_the_lines_of_one_call(self):
        def peak(count):
            process = start("--maxi-batch", "1000", "--threads", "1", "--beam-size", "1")
            process.stdin.write(b"abc def.\n" * count)
            process.stdin.close()
            self.assertEqual(process.stdout.read().count(b"\n"), count)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdout.close()
            process.stderr.close()
            self.assertEqual(process.returncode, 0)
            return usage.ru_maxrss
        few, many = peak(300), peak(3000)
        self.assertLess(many, 1.1 * few)

    def test_files(self):
        source, target = os.path.join(FOLDER.name, "in.txt"), os.path.join(FOLDER.name, "out.txt")
        with open(source, "wb") as f:
            f.write(b"abc def\nghi\n")
        expected, _ = self.lines(b"abc def\nghi\n")
        self.assertEqual(translate(b"", "-i", source, "-o", target)[:2], (0, b""))
        with open(target, "rb") as f:
            self.assertEqual(f.read().split(b"\n")[:-1], expected)
        for output in (source, target, FOLDER.name):
            code, out, err = translate(b"", "-i", source, "-o", output)
            self.assertEqual((code, out), (2, b""), err)
        with open(source, "rb") as f:
            self.assertEqual(f.read(), b"abc def\nghi\n")


class Models(unittest.TestCase):
    TEXT = b"".join(b"ab cd ef gh ij kl mn op %c\n" % (97 + i) for i in range(20))

    def run_model(self, folder, *args):
        found = subprocess.run([TRANSLATE, "-m", folder, *SHORT, *args], input=self.TEXT,
                               capture_output=True, timeout=60)
        self.assertEqual(found.returncode, 0, found.stderr)
        return found.stdout

    def edited(self, name, file, **fields):
        """A copy of the model whose JSON file has other values in these fields."""
        folder = os.path.join(FOLDER.name, name)
        shutil.copytree(MODEL, folder)
        path = os.path.join(folder, file)
        with open(path) as f:
            values = json.load(f)
        with open(path, "w") as f:
            json.dump({**values, **fields}, f)
        return folder

    def test_folder_of_a_training_run(self):
        run = os.path.join(FOLDER.name, "run")
        os.mkdir(run)
        os.symlink(MODEL, os.path.join(run, "best"))
        self.assertEqual(self.run_model(run), self.run_model(MODEL))

    def test_training_folder_without_a_best_model(self):
        run = os.path.join(FOLDER.name, "unvalidated")
        os.mkdir(run)
        with open(os.path.join(run, "training_args.yml"), "w") as f:
            f.write("seed: 1\n")
        found = subprocess.run([TRANSLATE, "-m", run], input=b"a\n", capture_output=True)
        self.assertEqual(found.returncode, 3)
        self.assertIn(b"unvalidated: no model yet, because the training run has not saved a check",
                      found.stderr)
        os.symlink(MODEL, os.path.join(run, "last"))
        found = subprocess.run([TRANSLATE, "-m", run], input=b"a\n", capture_output=True)
        self.assertEqual(found.returncode, 3)
        self.assertIn(b"unvalidated: no best model yet, because nothing has been validated; use " +
                      os.path.join(run, "last").encode() + b"\n", found.stderr)
        self.assertEqual(self.run_model(os.path.join(run, "last")), self.run_model(MODEL))

    def test_generation_config_stands_in_for_options(self):
        folder = self.edited("greedy", "generation_config.json", num_beams=1, max_new_tokens=3)
        self.assertEqual(self.run_model(folder), self.run_model(MODEL, "-b", "1"))
        self.assertEqual(self.run_model(folder, "-b", "5"), self.run_model(MODEL))

    def test_generation_config_and_options_agree(self):
        for options, keys in [
                (["--repetition-penalty", "3"], {"repetition_penalty": 3.0}),
                (["--no-repeat-ngram-size=1"], {"no_repeat_ngram_size": 1}),
                (["--max-length", "5"], {"max_length": 5}),
                (["--max-new-tokens", "5"], {"max_new_tokens": 5}),
                (["--min-length", "30"], {"min_length": 30}),
                (["--min-new-tokens", "30"], {"min_new_tokens": 30, "min_length": 2}),
                (["--bad-words-ids", "9", "10,11"], {"bad_words_ids": [[9], [10, 11]]}),
                (["--suppress-tokens", "9", "10"], {"suppress_tokens": [9, 10]}),
                (["--begin-suppress-tokens", "9"], {"begin_suppress_tokens": [9]}),
                (["--forced-bos-token-id", "20"], {"forced_bos_token_id": 20}),
                (["--forced-eos-token-id", "1", "--max-length=6"],
                 {"forced_eos_token_id": 1, "max_length": 6}),
                (["--eos-token-id", "9", "20", "31"], {"eos_token_id": [1, 9, 20, 31]}),
                (["--early-stopping=never", "-n", "2"],
                 {"early_stopping": "never", "length_penalty": 2.0}),
                (["--do-sample", "--top-k", "5"], {"do_sample": True, "top_k": 5}),
                (["--do-sample", "--num_beams=2", "--top-p", "0.9", "--temperature", "2"],
                 {"do_sample": True, "num_beams": 2, "top_p": 0.9, "temperature": 2.0})]:
            with self.subTest(options):
                folder = self.edited("agrees " + " ".join(options), "generation_config.json",
                                     **{"max_new_tokens": None, **keys})
                by_keys = subprocess.run([TRANSLATE, "-q", "--scores", "-m", folder],
                                         input=self.TEXT, capture_output=True, timeout=60)
                by_options = subprocess.run([TRANSLATE, "-q", "--scores", "-m", MODEL, *options],
                                            input=self.TEXT, capture_output=True, timeout=60)
                self.assertEqual((by_keys.returncode, by_keys.stderr), (0, b""))
                self.assertEqual(by_keys.stdout, by_options.stdout)

    def test_samples(self):
        sample = lambda *options: self.run_model(MODEL, "--do-sample", "--scores", *options)
        self.assertEqual(sample("--seed", "5"), sample("--seed=5", "--mini-batch", "1"))
        self.assertEqual(sample(), sample("--maxi-batch", "1", "--mini-batch", "2", "--workers", "1"))
        self.assertNotEqual(sample(), sample("--seed", "2"))
        lines = sample("--n-best=20").splitlines()
        plain = self.run_model(MODEL).splitlines()
        self.assertEqual(len(lines), 20 * len(plain) - 19 * plain.count(b""))

    def test_capacity_binds_with_compat_hf_only(self):
        # By scores too: the words of a random model may well be the same.
        folder = self.edited("capacity", "config.json", expert_capacity=1)
        dropless = self.run_model(MODEL, "--scores")
        self.assertEqual(self.run_model(folder, "--scores"), dropless)
        self.assertNotEqual(self.run_model(folder, "--scores", "--compat", "hf"), dropless)
        self.assertEqual(self.run_model(MODEL, "--scores", "--compat", "hf"), dropless)

    def test_another_vocabulary_is_an_error(self):
        folder = self.edited("eos", "config.json", eos_token_id=5)
        os.remove(os.path.join(folder, "generation_config.json"))
        found = subprocess.run([TRANSLATE, "-m", folder], input=b"a\n", capture_output=True)
        self.assertEqual(found.returncode, 3)
        self.assertIn(b"eos", found.stderr)


class Embeddings(unittest.TestCase):
    TEXT = b"abc d efg\n\nhij k lmno p\n  \n" + b"ab cd. " * 100 + b"\n"

    def embed(self, text, what, name, *args):
        """The bytes of the file, and stderr."""
        path = os.path.join(FOLDER.name, name)
        code, out, err = translate(text, "--embed", what, "-o", path, *args)
        self.assertEqual((code, out), (0, b""), err)
        with open(path, "rb") as file:
            data = file.read()
        os.remove(path)
        return data, err

    def npy(self, data):
        """The rows of a .npy file."""
        self.assertEqual(data[:10], b"\x93NUMPY\x01\0" + struct.pack("<H", 118))
        header = eval(data[10:128])
        self.assertEqual((header["descr"], header["fortran_order"]), ("<f4", False))
        rows, columns = header["shape"]
        self.assertEqual(len(data), 128 + 4 * rows * columns)
        return [struct.unpack_from(f"<{columns}f", data, 128 + 4 * columns * i) for i in range(rows)]

    def safetensors(self, data):
        """The flat values of the tensors."""
        length, = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + length])
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = (8 + length + x for x in entry["data_offsets"])
                letter = {"F32": "f", "I64": "q"}[entry["dtype"]]
                tensors[name] = (entry["shape"], struct.unpack(
                    f"<{(end - begin) // struct.calcsize(letter)}{letter}", data[begin:end]))
        self.assertEqual(len(data), end)
        return tensors

    def test_files(self):
        means = self.npy(self.embed(self.TEXT, "mean", "m.npy")[0])
        self.assertEqual([len(row) for row in means], [16] * 5)
        tensors = self.safetensors(self.embed(self.TEXT, "mean", "m.safetensors")[0])
        self.assertEqual(tensors, {"mean": ([5, 16], sum(means, ()))})
        tensors = self.safetensors(self.embed(self.TEXT, "tokens", "t.safetensors")[0])
        (tokens, columns), states = tensors["states"]
        shape, offsets = tensors["offsets"]
        self.assertEqual((shape, offsets[0], offsets[-1], columns), ([6], 0, tokens, 16))
        self.assertEqual(offsets[2] - offsets[1], 1)  # a blank line: eos alone
        self.assertEqual(means[1], states[16 * offsets[1]:16 * offsets[2]])
        self.assertEqual(means[1], means[3])
        for i, mean in enumerate(means):
            rows = [states[16 * t:16 * t + 16] for t in range(offsets[i], offsets[i + 1])]
            for expected, column in zip(mean, zip(*rows)):
                self.assertAlmostEqual(expected, sum(column) / len(column), places=5)
        self.assertEqual(self.npy(self.embed(b"", "mean", "m.npy")[0]), [])
        self.assertEqual(self.safetensors(self.embed(b"", "tokens", "t.safetensors")[0]),
                         {"states": ([0, 16], ()), "offsets": ([1], (0,))})

    def test_other_lines_and_threads_do_not_matter(self):
        means = self.npy(self.embed(self.TEXT, "mean", "m.npy", "--threads", "1")[0])
        lines = self.TEXT.split(b"\n")[:-1]
        many = self.npy(self.embed(self.TEXT * 2000, "mean", "m.npy", "--threads", "3")[0])
        self.assertEqual(many, means * 2000)
        for line, mean in zip(lines, means):
            self.assertEqual(self.npy(self.embed(line + b"\n", "mean", "m.npy")[0]), [mean])

    def test_input_options(self):
        with_prefix = self.embed(b"abc\n", "mean", "m.npy", "--source-prefix", "tr: ")[0]
        self.assertEqual(with_prefix, self.embed(b"tr: abc\n", "mean", "m.npy")[0])
        data, err = self.embed(self.TEXT, "tokens", "t.safetensors", "--max-input-length", "20")
        offsets = self.safetensors(data)["offsets"][1]
        self.assertEqual(offsets[5] - offsets[4], 20)
        self.assertIn("stdin:5: cropped to 20 tokens", err)

    def test_mistakes(self):
        out = os.path.join(FOLDER.name, "out")
        for args, code, message in (
                (["mean"], 2, "--embed mean: --output -, expected a file named *.npy or *.safetensors"),
                (["mean", "-o", out + ".txt"], 2, "out.txt, expected a file named *.npy or *.safe"),
                (["tokens", "-o", out + ".npy"], 2, "out.npy, expected a file named *.safetensors"),
                (["max", "-o", out + ".npy"], 2, "expected one of: mean, tokens"),
                (["mean", "-o", out + ".npy", "--long-input", "split"], 2, "--long-input split"),
                (["mean", "-o", out + ".npy", "--compute-type", "int8"], 2, "expected float32"),
                (["mean", "-o", out + ".npy", "--scores"], 2, "--embed translates nothing"),
                (["mean", "-o", out + "/nowhere/a.npy"], 1, "cannot create"),
                (["mean", "-o", out + ".npy", "--long-input", "error", "--max-input-length", "20"], 3,
                 "stdin:5: more than 20 tokens")):
            found, text, err = translate(self.TEXT, "--embed", *args)
            self.assertEqual((found, text), (code, b""), err)
            self.assertIn(message, err)
        self.assertEqual([name for name in os.listdir(FOLDER.name) if name.startswith("out")], [])
        with open(out + ".npy", "wb") as file:
            file.write(b"x")
        code, _, err = translate(self.TEXT, "--embed", "mean", "-o", out + ".npy")
        self.assertEqual(code, 2)
        self.assertIn("already exists", err)
        os.remove(out + ".npy")

    def test_means_take_no_memory_for_lines(self):
        def peak(count):
            path = os.path.join(FOLDER.name, "m.npy")
            process = start("--embed", "mean", "-o", path, "--threads", "1")
            process.stdin.write(b"abc d\n" * count)
            process.stdin.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            process.stdout.close()
            process.stderr.close()
            os.remove(path)
            return usage.ru_maxrss

        self.assertLess(peak(100000) - peak(10000), 2000)  # kB; the file grows by 5.8 MB


class Blanks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = os.path.join(FOLDER.name, "with sentinels")
        subprocess.run([MAKE_MODEL, cls.model, "100"], check=True)
        path = os.path.join(cls.model, "tokenizer_config.json")
        with open(path) as file:
            config = json.load(file)
        with open(path, "w") as file:
            json.dump({**config, "extra_ids": 100}, file)

    def fill(self, text, generated, *args):
        """Exit code, lines, stderr; the model's output starts with `generated` for every line."""
        path = os.path.join(FOLDER.name, "generated")
        with open(path, "w") as file:
            file.write((generated + "\n") * text.count("\n"))
        done = subprocess.run([TRANSLATE, "-q", "-m", self.model, "--fill", "--prefix", path,
                               "--max-output-length", "60", *args],
                              input=text.encode(), capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode().split("\n")[:-1], done.stderr.decode()

    def test_blanks(self):
        generated = ("<extra_id_0> abc <extra_id_1> d e <extra_id_2> <extra_id_3> f <extra_id_0> g "
                     "<extra_id_4>")
        text = ("x <extra_id_0> y <extra_id_1>. <extra_id_0>!\n"
                "no blank <extra_id_x> <extra_id_ 3> <  two  spaces\n"
                "\n"
                "<extra_id_1>\n"
                "<<extra_id_3>>\n")
        code, lines, err = self.fill(text, generated)
        self.assertEqual(code, 0, err)
        self.assertNotIn("generated nothing", err)
        self.assertEqual(lines, ["x abc y d e. abc!", text.split("\n")[1], "", "d e", "<f>"])
        self.assertEqual(self.fill(text, generated, "--maxi-batch", "1", "--mini-batch", "1")[1], lines)
        self.assertEqual(self.fill(text, generated, "-b", "1", "--sentinels")[1], lines)

    def test_unfilled_blanks_stay(self):
        text = "a <extra_id_2> b <extra_id_0>\nc <extra_id_0>\n<extra_id_2><extra_id_100>\n"
        code, lines, err = self.fill(text, "<extra_id_0> x <extra_id_2> <extra_id_1>")
        self.assertEqual((code, lines),
                         (0, ["a <extra_id_2> b x", "c x", "<extra_id_2><extra_id_100>"]))
        self.assertEqual(err.count("generated nothing"), 1)
        self.assertIn("2 lines with blanks for which the model generated nothing", err)

    def test_lists_and_a_model_alone(self):
        code, lines, _ = self.fill("a <extra_id_0>\nb\n", "<extra_id_0> x <extra_id_1>", "--n-best=3")
        self.assertEqual(code, 0)
        self.assertTrue(lines and all(line.startswith(("0 ||| a x ||| ", "1 ||| b ||| "))
                                      for line in lines), lines)
        code, out, err = translate(b"a <extra_id_0> b\nc\n", "-m", self.model, "--fill")
        self.assertEqual((code, out.count(b"\n")), (0, 2), err)
        self.assertRegex(out.decode(), r"\Aa .* b\nc\n\Z")

    def test_mistakes(self):
        code, _, err = translate(b"a\n", "--fill")
        self.assertEqual(code, 2)
        self.assertIn("no <extra_id_0>", err)
        code, _, err = translate(b"a\n", "-m", self.model, "--fill", "--long-input", "split")
        self.assertEqual(code, 2)
        self.assertIn("--fill: --long-input split", err)


class Streams(unittest.TestCase):
    def test_flushed_when_the_input_pauses(self):
        process = start()
        for line in (b"abc\n", b"\n", b"def ghi\njkl\n"):
            process.stdin.write(line)
            process.stdin.flush()
            for _ in range(line.count(b"\n")):
                self.assertTrue(process.stdout.readline().endswith(b"\n"))
        process.stdin.close()
        self.assertEqual(process.stdout.read(), b"")
        self.assertEqual(process.wait(30), 0)
        process.stdout.close()
        process.stderr.close()

    def test_reader_that_leaves(self):
        process = start("--mini-batch", "1", "--maxi-batch", "1")
        process.stdout.close()
        try:
            process.stdin.write(b"abc\n" * 2000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        err = process.stderr.read()
        self.assertEqual((process.wait(60), err), (0, b""))
        process.stderr.close()

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run([TRANSLATE, "-m", MODEL, *SHORT], input=b"abc\n", stdout=full,
                                     stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"write error", process.stderr)
        self.assertEqual(process.stderr.count(b"\n"), 1)

    def test_signals(self):
        for number, name in ((signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM"),
                             (signal.SIGHUP, "SIGHUP")):
            for text, count in ((b"abc\n", "1 line"), (b"abc\nabc\n", "2 lines")):
                process = start(preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
                process.stdin.write(text)
                process.stdin.flush()
                for _ in text.splitlines():
                    self.assertTrue(process.stdout.readline().endswith(b"\n"))
                process.send_signal(number)
                self.assertEqual(process.wait(30), 128 + number)
                self.assertEqual(process.stderr.read().decode(),
                                 f"switch-translate: stopped by {name} after {count}\n")
                for pipe in (process.stdin, process.stdout, process.stderr):
                    pipe.close()

    def test_ignored_signals_stay_ignored(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = start(preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
            process.stdin.write(b"abc\n")
            process.stdin.flush()
            self.assertTrue(process.stdout.readline().endswith(b"\n"))
            process.send_signal(number)
            out, err = process.communicate(b"def\n", timeout=60)
            self.assertEqual((process.returncode, out.count(b"\n"), err), (0, 1, b""))

    def test_statistics_are_printed_once(self):
        for args, text, count in (([], b"abc\n", 1), (["--stat"], b"abc\n", 1), (["--stat"], b"", 1),
                                  (["--stat", "--mini-batch", "1", "--maxi-batch", "1"],
                                   b"abc\ndef\nghi\n", 3)):
            process = subprocess.run([TRANSLATE, "-m", MODEL, "--max-output-length", "12", *args],
                                     input=text, capture_output=True, timeout=60)
            lines = [x for x in process.stderr.decode().splitlines() if " source token" in x]
            self.assertEqual(len(lines), count, lines)
            self.assertEqual(len(set(lines)), count, lines)
            if count == 1 and text:
                self.assertIn("] 1 line : 4 source tokens : ", lines[0])
            elif count == 3:
                self.assertIn("] 3 lines : ", lines[2])


class Mistakes(unittest.TestCase):
    def fails(self, code, word, *args, text=b"abc\n"):
        found = subprocess.run([TRANSLATE, "-q", *args], input=text, capture_output=True, timeout=60)
        err = found.stderr.decode()
        self.assertEqual((found.returncode, found.stdout), (code, b""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("switch-translate: error: "), err)
        self.assertIn(word, err)

    def test_command_line(self):
        self.fails(2, "--model")
        self.fails(2, "--beam-size", "-m", MODEL, "--beem-size", "3")
        for option, value in (("-b", "0"), ("-b", "x"), ("--max-output-length", "0"),
                              ("--max-input-length", "1"), ("--n-best=0", None),
                              ("--mini-batch", "-1"), ("--normalize", "nan"),
                              ("--long-input", "drop"), ("--compute-type", "int3")):
            args = [option] if value is None else [option, value]
            self.fails(2, "expected", "-m", MODEL, *args)
        self.fails(2, "found 'int4', expected one of: auto, float32, bfloat16, int8\n", "-m", MODEL,
                   "--compute-type", "int4")
        self.fails(2, "--n-best=3 needs --beam-size 3 or more; it is 2\n", "-m", MODEL, "-b", "2",
                   "--n-best=3")
        self.fails(2, "--n-best=6 needs --beam-size 6 or more; it is 5\n", "-m", MODEL,
                   "--n-best", "6")
        self.fails(2, "'7': unexpected argument", "-m", MODEL, "--n-best", "6", "7")

    def test_files(self):
        nowhere = os.path.join(FOLDER.name, "nowhere")
        self.fails(1, "nowhere", "-m", nowhere)
        self.fails(1, "nowhere", "-m", MODEL, "-i", nowhere)
        self.fails(3, "gzip", "-m", MODEL, text=b"\x1f\x8b\x08\0\0\0\0\0\0\3")

    def test_pretrained_models_are_warned_of_once(self):
        folder = os.path.join(FOLDER.name, "pretrained")
        subprocess.run([MAKE_MODEL, folder, "3000"], check=True)
        code, out, err = translate(b"abc\nd efg\nhij\n", "-m", folder)
        self.assertEqual((code, out.count(b"\n")), (0, 3))
        self.assertEqual(err.count("generates sentinels"), 1)
        self.assertNotIn("sentinels", translate(b"abc\n")[2])

    def test_help_comes_first(self):
        found = subprocess.run([TRANSLATE, "--no-such", "--help"], capture_output=True, timeout=60)
        self.assertEqual((found.returncode, found.stderr), (0, b""))
        self.assertIn(b"--beam-size", found.stdout)


subprocess.run([MAKE_MODEL, MODEL], check=True, timeout=300)
unittest.main(argv=[sys.argv[0]], verbosity=1)
