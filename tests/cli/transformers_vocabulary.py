# SPDX-License-Identifier: Apache-2.0
"""switch-train warns about exactly those vocabularies that `transformers` reads differently.

usage: transformers_vocabulary.py SWITCH_TRAIN
Runs under $SWITCHYARD_PYTHON if that is set; exits with 77 (skipped) if transformers or
sentencepiece is missing.
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from peer_python import packages

with packages():
    import sentencepiece
    import transformers
    transformers.AutoTokenizer  # named here because it is imported lazily

transformers.logging.set_verbosity_error()
TRAIN = os.path.abspath(sys.argv[1])
LINES = ['A dog runs over the street.', 'The cats sleep in a house!', 'Two men walk home, slowly.',
         'Über die grüne Straße fährt ein Bus.'] * 20
TEXTS = [*LINES[:4], '', 'the  house', '  in front', 'behind  ', 'a\tb', 'A\u3000B', 'a\u00a0dog', 'Übel ½ ，ﬁ',
         '日本', 'a <sep> b', 'dog<sep>runs', '\u2581dog']
# Options of SentencePiece's trainer, and whether the versions of transformers read the result differently.
CASES = [
    ({}, False),
    ({'normalization_rule_name': 'nmt_nfkc_cf'}, False),
    ({'split_digits': True}, False),
    ({'split_by_whitespace': False}, False),
    ({'byte_fallback': True, 'vocab_size': 400}, True),
    ({'add_dummy_prefix': False}, True),
    ({'user_defined_symbols': ['<sep>']}, True),
    ({'treat_whitespace_as_suffix': True}, True),
    ({'remove_extra_whitespaces': False}, True),
    ({'normalization_rule_name': 'identity'}, True),
    ({'normalization_rule_name': 'nfkc'}, True),
    ({'pad_piece': '[PAD]', 'eos_piece': '[EOS]'}, True),
]


def main():
    wrong = 0
    with open('text', 'w') as file:
        print(*LINES, sep='\n', file=file)
    for options, differs in CASES:
        settings = {'vocab_size': 120, 'hard_vocab_limit': False, 'pad_id': 0, 'eos_id': 1, 'unk_id': 2, 'bos_id': -1,
                    'minloglevel': 2, **options}
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_prefix='spiece', **settings)
        command = [TRAIN, '-q', '-t', 'text', 'text', '-m', 'model', '--preset', 'tiny', '--threads', '1', '--after', '1u',
                   '--vocab', 'spiece.model', '--overwrite']
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        pieces = sentencepiece.SentencePieceProcessor(model_file='spiece.model')
        tokenizer = transformers.AutoTokenizer.from_pretrained('./model')
        different = [text for text in TEXTS if tokenizer(text).input_ids != pieces.encode(text) + [pieces.eos_id()]]
        warned = 'transformers will tokenize some text differently' in result.stderr
        if not differs == warned == bool(different):
            wrong += 1
            print(f'{options}: transformers differs on {different}; {result.stderr or "no warning"}')
    print(f'transformers {transformers.__version__}: {len(CASES)} vocabularies, {wrong} wrong')
    sys.exit(1 if wrong else 0)


with tempfile.TemporaryDirectory() as directory:
    os.chdir(directory)
    main()
