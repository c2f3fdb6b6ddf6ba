# SPDX-License-Identifier: Apache-2.0
"""The built-in corpus: its German, its held-out combinations, and its reproducibility.
usage: demo_test.py GENERATE_PY
"""
import hashlib
import os
import re
import subprocess
import sys
import tempfile

GENERATE = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.dirname(GENERATE))
sys.dont_write_bytecode = True
from generate import SIZES, held_out  # noqa: E402
from grammar import BE, Clause, NounPhrase, Predicate, Preposition, Pronoun, Words  # noqa: E402
from lexicon import ADJECTIVES, DETERMINERS, NOUNS, PRONOUNS, VERBS, number, with_s  # noqa: E402
from sentences import Sentences  # noqa: E402

# Of all six files concatenated. A change of words or grammar changes it, and the scores in README.md
# too.
SHA256 = 'c73af2f9865167b92bf0654b69863b9cb3d3c6e6de97a434832d877e0e013342'
failed = []


def check(ok, what):
    if not ok:
        failed.append(what)
        print('FAILED:', what, flush=True)


# Phrases in English text

NOUN_FORMS = {noun.en: (noun, False) for noun in NOUNS.values()}
NOUN_FORMS.update({noun.en_plural: (noun, True) for noun in NOUNS.values() if noun.de_plural})
NUMBERS = {number(n)[0]: n for n in range(2, 100)}


def phrase_at(words, i):
    """The noun phrase that starts at words[i], and its end; None if there is none."""
    determiner, count, adjective = '', 0, None
    if words[i:i + 2] == ['all', 'the']:
        determiner, i = 'all the', i + 2
    elif i < len(words) and words[i] in (*DETERMINERS, 'an'):
        determiner, i = 'a' if words[i] == 'an' else words[i], i + 1
    if i < len(words) and words[i] in NUMBERS:
        count, i = NUMBERS[words[i]], i + 1
    if i < len(words) and words[i] in ADJECTIVES:
        adjective, i = ADJECTIVES[words[i]], i + 1
    if i < len(words) and words[i] in NOUN_FORMS:
        noun, plural = NOUN_FORMS[words[i]]
        return NounPhrase(noun, determiner, plural, adjective, count), i + 1
    return None


def np(text):
    return phrase_at(text.split(), 0)[0]


# The grammar's rules

def do(verb, frame='object'):
    return VERBS[frame][verb]


def to(text):
    return Preposition('to', 'in', 'acc', np(text))


def at(text):
    return Preposition('in', 'in', 'dat', np(text))


HE, SHE, WE, THEY, YOU = map(Pronoun, ('he', 'she', 'we', 'they', 'you'))
TODAY, YESTERDAY = Words('today', 'heute'), Words('yesterday', 'gestern')
OFTEN = Words('often', 'oft')
THE_BOY, THE_WOMAN = np('the boy'), np('the woman')

STATEMENTS = [
    # Articles and adjectives: weak, mixed, strong.
    (Clause(np('the old man'), do('buy'), object=np('the old car')),
     'the old man buys the old car', 'der alte Mann kauft das alte Auto'),
    (Clause(np('an old man'), do('buy'), object=np('an old car')),
     'an old man buys an old car', 'ein alter Mann kauft ein altes Auto'),
    (Clause(np('her small child'), do('see'), object=np('a big dog')),
     'her small child sees a big dog', 'ihr kleines Kind sieht einen großen Hund'),
    (Clause(np('every young woman'), do('drink'), object=np('hot coffee')),
     'every young woman drinks hot coffee', 'jede junge Frau trinkt heißen Kaffee'),
    (Clause(SHE, do('drink'), object=np('cold milk')),
     'she drinks cold milk', 'sie trinkt kalte Milch'),
    (Clause(np('this good friend'), do('live', 'place'), goal=at('a beautiful house')),
     'this good friend lives in a beautiful house',
     'dieser gute Freund wohnt in einem schönen Haus'),
    (Clause(np('the new hotels'), BE, predicate=Predicate(ADJECTIVES['expensive'])),
     'the new hotels are expensive', 'die neuen Hotels sind teuer'),
    (Clause(np('no tired student'), do('buy'), object=np('many expensive lamps')),
     'no tired student buys many expensive lamps',
     'kein müder Student kauft viele teure Lampen'),
    (Clause(np('all the happy women'), do('wear'), object=np('beautiful dresses')),
     'all the happy women wear beautiful dresses',
     'alle glücklichen Frauen tragen schöne Kleider'),
    (Clause(np('twenty-three black cats'), do('sleep', 'place'), goal=at('the dark room')),
     'twenty-three black cats sleep in the dark room',
     'dreiundzwanzig schwarze Katzen schlafen im dunklen Zimmer'),
    # Weak nouns, plurals, dative plurals.
    (Clause(np('the farmer'), do('help'), object=np('the boy')),
     'the farmer helps the boy', 'der Bauer hilft dem Jungen'),
    (Clause(THE_WOMAN, do('see'), object=np('a bear')),
     'the woman sees a bear', 'die Frau sieht einen Bären'),
    (Clause(HE, do('thank'), object=np('his old teachers')),
     'he thanks his old teachers', 'er dankt seinen alten Lehrern'),
    (Clause(HE, do('talk to'), object=np('some children')),
     'he talks to some children', 'er spricht mit einigen Kindern'),
    (Clause(WE, do('follow'), object=np('two cats')),
     'we follow two cats', 'wir folgen zwei Katzen'),
    # Agreement, vowel change, pronouns.
    (Clause(Pronoun('I'), do('read'), object=np('a letter')),
     'I read a letter', 'ich lese einen Brief'),
    (Clause(YOU, do('read'), object=np('a letter')), 'you read a letter', 'du liest einen Brief'),
    (Clause(YOU, do('drive'), object=np('the bus')), 'you drive the bus', 'du fährst den Bus'),
    (Clause(THE_BOY, do('eat'), object=np('sweet apples')),
     'the boy eats sweet apples', 'der Junge isst süße Äpfel'),
    (Clause(YOU, do('find'), object=THEY, time=TODAY), 'you find them today',
     'du findest sie heute'),
    (Clause(THEY, do('thank'), object=SHE), 'they thank her', 'sie danken ihr'),
    (Clause(Pronoun('I'), do('feed'), object=np('my cow')), 'I feed my cow',
     'ich füttere meine Kuh'),
    # Perfect with haben and sein; accusative for motion, dative for rest.
    (Clause(THE_WOMAN, do('put', 'put'), 'past', object=np('the key'),
            goal=Preposition('on', 'auf', 'acc', np('the table'))),
     'the woman put the key on the table', 'die Frau hat den Schlüssel auf den Tisch gelegt'),
    (Clause(np('the key'), do('lie', 'lie'), goal=Preposition('on', 'auf', 'dat', np('the table'))),
     'the key lies on the table', 'der Schlüssel liegt auf dem Tisch'),
    (Clause(THE_WOMAN, do('drive', 'goal'), 'past', goal=to('the city')),
     'the woman drove to the city', 'die Frau ist in die Stadt gefahren'),
    (Clause(THE_WOMAN, do('drive'), 'past', object=np('the car')),
     'the woman drove the car', 'die Frau hat das Auto gefahren'),
    (Clause(WE, do('stay', 'place'), 'past', goal=at('the hotel')),
     'we stayed in the hotel', 'wir sind im Hotel geblieben'),
    (Clause(HE, do('go', 'goal'), goal=Preposition('to', 'zu', 'dat', np('the teacher'))),
     'he goes to the teacher', 'er geht zum Lehrer'),
    # Separable verbs, modals.
    (Clause(THE_BOY, do('open'), object=np('the green door')),
     'the boy opens the green door', 'der Junge macht die grüne Tür auf'),
    (Clause(THE_BOY, do('open'), 'past', object=np('the window')),
     'the boy opened the window', 'der Junge hat das Fenster aufgemacht'),
    (Clause(THE_BOY, do('open'), 'must', object=np('the window')),
     'the boy must open the window', 'der Junge muss das Fenster aufmachen'),
    (Clause(YOU, do('invite'), object=np('the neighbour')),
     'you invite the neighbour', 'du lädst den Nachbarn ein'),
    (Clause(np('the child'), do('listen to'), 'want', object=WE),
     'the child wants to listen to us', 'das Kind will uns zuhören'),
    # Negation.
    (Clause(THE_BOY, do('eat'), negated=True, object=np('an apple')),
     'the boy does not eat an apple', 'der Junge isst keinen Apfel'),
    (Clause(THE_BOY, do('eat'), 'past', negated=True, object=np('the apple')),
     'the boy did not eat the apple', 'der Junge hat den Apfel nicht gegessen'),
    (Clause(SHE, do('drink'), 'can', negated=True, object=np('hot milk')),
     'she cannot drink hot milk', 'sie kann keine heiße Milch trinken'),
    (Clause(HE, do('wait for'), negated=True, object=np('the bus')),
     'he does not wait for the bus', 'er wartet nicht auf den Bus'),
    (Clause(HE, do('come back', 'plain'), 'be allowed', negated=True),
     'he is not allowed to come back', 'er darf nicht zurückkommen'),
    (Clause(SHE, BE, 'past', negated=True, predicate=Predicate(ADJECTIVES['tired'])),
     'she was not tired', 'sie war nicht müde'),
    # Verb second, and the words inside the verbal bracket.
    (Clause(THE_BOY, do('repair'), 'past', object=np('his bicycle'), time=YESTERDAY,
            time_first=True),
     'yesterday the boy repaired his bicycle', 'gestern hat der Junge sein Fahrrad repariert'),
    (Clause(THE_WOMAN, do('bring along'), object=np('a cake'), often=OFTEN),
     'the woman often brings along a cake', 'die Frau bringt oft einen Kuchen mit'),
    (Clause(THE_BOY, do('give', 'give'), indirect=np('his mother'), object=np('a red flower'),
            time=TODAY),
     'the boy gives his mother a red flower today',
     'der Junge gibt heute seiner Mutter eine rote Blume'),
    (Clause(np('the bear'), BE, predicate=Predicate(ADJECTIVES['big'], np('the wolf'))),
     'the bear is bigger than the wolf', 'der Bär ist größer als der Wolf'),
]

LAST = [
    (Clause(THE_BOY, do('bring along'), object=np('the ball')),
     'the boy brings along the ball', 'der Junge den Ball mitbringt'),
    (Clause(THE_BOY, do('bring along'), 'past', object=np('the ball')),
     'the boy brought along the ball', 'der Junge den Ball mitgebracht hat'),
    (Clause(THEY, do('sell'), 'will', object=np('their house'), time=TODAY),
     'they will sell their house today', 'sie heute ihr Haus verkaufen werden'),
    (Clause(YOU, BE, predicate=Predicate(ADJECTIVES['old'], np('my brother'))),
     'you are older than my brother', 'du älter als mein Bruder bist'),
]

QUESTIONS = [
    (Clause(YOU, do('call'), object=np('the doctor')),
     'do you call the doctor', 'rufst du den Arzt an'),
    (Clause(np('the horse'), BE, predicate=Predicate(ADJECTIVES['hungry'])),
     'is the horse hungry', 'ist das Pferd hungrig'),
    (Clause(THE_BOY, do('write'), 'past', asked=Words('what', 'was')),
     'what did the boy write', 'was hat der Junge geschrieben'),
    (Clause(SHE, do('switch on'), 'should',
            asked=Preposition('', '', 'acc', np('which old lamp'))),
     'which old lamp should she switch on', 'welche alte Lampe sollte sie einschalten'),
]

INFINITIVES = [
    (Clause(HE, do('open'), object=np('a bottle')), 'to open a bottle', 'eine Flasche aufzumachen'),
    (Clause(HE, do('help'), object=SHE), 'to help her', 'ihr zu helfen'),
]


def test_rules():
    def same(found, expected):
        check(found == expected, f'{found!r}, expected {expected!r}')

    for clause, english, german in STATEMENTS:
        same((clause.english(), clause.german()), (english, german))
    for clause, english, german in LAST:
        same((clause.english(), clause.german('last')), (english, german))
    for clause, english, german in QUESTIONS:
        same((clause.english(question=True), clause.german('first')), (english, german))
    for clause, english, german in INFINITIVES:
        same((clause.english_infinitive(), clause.german_infinitive()), (english, german))
    for n, german in {2: 'zwei', 12: 'zwölf', 16: 'sechzehn', 21: 'einundzwanzig', 30: 'dreißig',
                      67: 'siebenundsechzig', 99: 'neunundneunzig'}.items():
        same(number(n)[1], german)


def test_words():
    """No word is ambiguous, as far as the tables show."""
    forms = {}
    for noun in NOUNS.values():
        for form in {noun.en, noun.en_plural if noun.de_plural else noun.en}:
            forms.setdefault(form, set()).add(noun.en)
        check(any(noun.en in a.nouns for a in ADJECTIVES.values()), f'{noun.en}: no adjective')
    for adjective in ADJECTIVES.values():
        forms.setdefault(adjective.en, set()).add(adjective.en)
    for frame in VERBS.values():
        for verb in frame.values():
            for form in {verb.en, verb_s(verb.en), verb.past}:
                forms.setdefault(form, set()).add('to ' + verb.en)
    for form, words in forms.items():
        check(len(words) == 1, f'{form} is {sorted(words)}')


# The generated text

def verb_s(verb):
    first, _, rest = verb.partition(' ')
    return ('has' if first == 'have' else with_s(first)) + (rest and ' ' + rest)


OBJECT_PRONOUNS = [pronoun[1] for pronoun in PRONOUNS.values()]
ADJECTIVE_FORMS = {form: a.en for a in ADJECTIVES.values() for form in (a.en, a.en_more) if form}
VERB_FORMS = {}  # a form -> the verbs it can be
for frame in ('object', 'give', 'put'):
    for verb in VERBS[frame].values():
        for form in {verb.en, verb_s(verb.en), verb.past}:
            VERB_FORMS.setdefault(form, []).append((frame, verb))


def combinations(line):
    """The pairs of adjective and noun, verb and object in an English line: the former adjacent or
    joined by "is", the latter with only the object's own words between them."""
    words = re.findall(r"[\w'-]+|[,.?]", line[0].lower() + line[1:])
    found = set()
    for i, word in enumerate(words):
        # the old dog
        if word in ADJECTIVES and words[i + 1] in NOUN_FORMS:
            found.add((word, NOUN_FORMS[words[i + 1]][0].en))
        # the dog is (not) old, is the dog old, the dog is older than
        if word in NOUN_FORMS:
            j = i + 1 + (words[i + 1] in ('is', 'are', 'was', 'were'))
            j += words[j] == 'not'
            for after in (j + 1, j + 2):
                adjective = ADJECTIVE_FORMS.get(' '.join(words[j:after]))
                if adjective and words[after] not in NOUN_FORMS:
                    found.add((adjective, NOUN_FORMS[word][0].en))
        # reads the old book, gives the boy an apple, gives him an apple
        for after in (i + 1, i + 2):
            for frame, verb in VERB_FORMS.get(' '.join(words[i:after]), ()):
                starts = [after]
                if frame == 'give':
                    receiver = phrase_at(words, after)
                    starts = [receiver[1]] if receiver else []
                    starts += [after + 1] * (words[after] in OBJECT_PRONOUNS)
                things = [phrase_at(words, start) for start in starts]
                found |= {(verb.en, thing[0].noun.en) for thing in things
                          if thing and thing[0].noun in verb.objects}
    # which book does the boy read
    if words[0] == 'which':
        thing, _ = phrase_at(words, 0)
        verbs = [verb.en for i in range(len(words)) for after in (i + 1, i + 2)
                 for _, verb in VERB_FORMS.get(' '.join(words[i:after]), ())
                 if thing.noun in verb.objects]
        found.add((max(verbs, key=len), thing.noun.en))
    return found


def test_corpus(folder):
    text = {}
    for name, size in SIZES.items():
        for language in ('en', 'de'):
            with open(os.path.join(folder, f'{name}.{language}'), encoding='utf-8') as file:
                lines = file.read().splitlines()
            text[name, language] = lines
            check(len(lines) == size, f'{name}.{language}: {len(lines)} lines')
            check(all(3 <= len(line.split()) <= 12 for line in lines), f'{name}: 3 to 12 words')
            check(all(re.fullmatch(r"[A-ZÄÖÜ][\w ,'-]+[.?]", line) for line in lines),
                  f'{name}: a capital first, a stop last')
    english = [line for name in SIZES for line in text[name, 'en']]
    check(len(english) >= 20000 and len(set(english)) == len(english), 'each English line once')

    for name in ('train', 'valid'):
        leaks = [line for line in text[name, 'en'] if any(map(held_out, combinations(line)))]
        check(not leaks, f'{name}: {len(leaks)} lines have held-out combinations, such as {leaks[:3]}')
    plain = [line for line in text['test', 'en'] if not any(map(held_out, combinations(line)))]
    check(not plain, f'test: {len(plain)} lines have no held-out combination, such as {plain[:3]}')
    words = {name: {word for line in text[name, 'en'] for word in re.findall(r"[\w'-]+", line.lower())}
             for name in SIZES}
    check(words['test'] <= words['train'], f"test: new words {words['test'] - words['train']}")


def test_function():
    """An English line has one German translation, even if the generator had two to choose from."""
    sentences, german = Sentences(2), {}
    for _ in range(20000):
        en, de, _ = sentences.sentence()
        check(german.setdefault(en, de) == de, f'{en}: {de} and {german[en]}')


def write(folder, hash_seed):
    subprocess.run([sys.executable, GENERATE, folder], check=True,
                   env={**os.environ, 'PYTHONHASHSEED': hash_seed})
    contents = b''
    for name in SIZES:
        for language in ('en', 'de'):
            with open(os.path.join(folder, f'{name}.{language}'), 'rb') as file:
                contents += file.read()
    return hashlib.sha256(contents).hexdigest()


def main():
    test_rules()
    test_words()
    test_function()
    with tempfile.TemporaryDirectory() as folder:
        hashes = {write(folder, hash_seed) for hash_seed in ('0', '1')}
        check(hashes == {SHA256}, f'sha256 of the corpus: {hashes}')
        test_corpus(folder)
    sys.exit(1 if failed else 0)


main()
