# SPDX-License-Identifier: Apache-2.0
"""The grammar of the built-in corpus: phrases and clauses that can be said in both languages.

A phrase has english() and german(); a Clause knows its parts by what they do, and puts them into
each language's order. Nothing here is random: generate.py chooses.
"""
from dataclasses import dataclass

from lexicon import (DETERMINERS, MODALS, PAST_OF_SEIN, POSSESSIVES, PRESENT, PRONOUNS, VERBS,
                     number, with_s)

# The endings that mark case and gender (p: plural), also of the definite article.
ENDINGS = {'nom': {'m': 'er', 'f': 'e', 'n': 'es', 'p': 'e'},
           'acc': {'m': 'en', 'f': 'e', 'n': 'es', 'p': 'e'},
           'dat': {'m': 'em', 'f': 'er', 'n': 'em', 'p': 'en'}}
ARTICLES = {'er': 'der', 'e': 'die', 'es': 'das', 'en': 'den', 'em': 'dem'}
CONTRACTIONS = {'in dem': 'im', 'in das': 'ins', 'zu dem': 'zum', 'zu der': 'zur'}
EIN_WORDS = ('a', 'no') + POSSESSIVES
BE = VERBS['be']['be']


def join(parts):
    return ' '.join(' '.join(part for part in parts if part).split())


def third_person(verb):
    first, _, rest = verb.partition(' ')
    return f"{'has' if first == 'have' else with_s(first)} {rest}".strip()


def present(infinitive, er=''):
    """Forms of ich, du, er, wir."""
    if infinitive in PRESENT:
        return PRESENT[infinitive]
    ich = infinitive[:-1] if infinitive.endswith('en') else infinitive[:-1] + 'e'
    du = er if er[-2] in 'sßz' else er[:-1] + 'st'
    return ich, du, er, infinitive


@dataclass
class NounPhrase:
    noun: tuple
    determiner: str = ''     # English; '' for a bare plural or mass noun
    plural: bool = False
    adjective: tuple = None
    count: int = 0           # spelled out as a word if not 0

    @property
    def person(self):
        return 3 if self.plural else 2

    @property
    def definite(self):
        return self.determiner in ('the', 'this', 'these', 'every', 'all the') + POSSESSIVES

    def english(self, case='nom'):
        noun = self.noun.en_plural if self.plural else self.noun.en
        words = [number(self.count)[0] if self.count else '',
                 self.adjective.en if self.adjective else '', noun]
        text = ' '.join(filter(None, words))
        determiner = self.determiner
        if determiner == 'a' and text[0] in 'aeiou':
            determiner = 'an'
        return f'{determiner} {text}'.strip()

    def german(self, case, negated=False):
        gender = 'p' if self.plural else self.noun.gender
        ending = ENDINGS[case][gender]
        determiner = self.determiner
        if negated:
            determiner = 'no'
        # An ein-word has no ending in three places; there, and without a determiner, the adjective
        # shows case and gender instead.
        bare = determiner in EIN_WORDS and case + gender in ('nomm', 'nomn', 'accn')
        stem = DETERMINERS.get(determiner, '')
        words = [ARTICLES[ending] if stem == 'd' else stem if bare or not stem else stem + ending]
        if self.count:
            words.append(number(self.count)[1])
        if self.adjective:
            strong = bare or determiner in ('', 'many', 'some')
            weak = 'e' if not self.plural and (case == 'nom' or ending in ('e', 'es')) else 'en'
            words.append(self.adjective.stem + (ending if strong else weak))
        words.append(self.german_noun(case))
        return ' '.join(filter(None, words))

    def german_noun(self, case):
        noun = self.noun
        if not self.plural:
            return noun.de_plural if noun.weak and case != 'nom' else noun.de
        dative_n = case == 'dat' and noun.de_plural[-1] not in 'ns'
        return noun.de_plural + ('n' if dative_n else '')


@dataclass
class Pronoun:
    word: str  # "he"

    definite = True

    @property
    def person(self):
        return int(PRONOUNS[self.word][5])

    def english(self, case='nom'):
        return PRONOUNS[self.word][0 if case == 'nom' else 1]

    def german(self, case, negated=False):
        return PRONOUNS[self.word][{'nom': 2, 'acc': 3, 'dat': 4}[case]]


@dataclass
class Preposition:
    """A preposition with its noun phrase: ('in', 'in', 'dat', the garden)."""
    en: str
    de: str
    case: str
    phrase: object

    def english(self):
        return f'{self.en} {self.phrase.english(self.case)}'

    def german(self):
        text = f'{self.de} {self.phrase.german(self.case)}'
        two = ' '.join(text.split()[:2])
        return text.replace(two, CONTRACTIONS.get(two, two), 1)


@dataclass
class Predicate:
    """What a subject is: tired, or bigger than the dog."""
    adjective: tuple
    phrase: object = None

    def english(self):
        if not self.phrase:
            return self.adjective.en
        return f'{self.adjective.en_more} than {self.phrase.english()}'

    def german(self):
        if not self.phrase:
            return self.adjective.de
        return f"{self.adjective.de_more} als {self.phrase.german('nom')}"


@dataclass
class Words:
    """Words that never change: Words('today', 'heute')."""
    en: str
    de: str

    def english(self):
        return self.en

    def german(self):
        return self.de


@dataclass
class Clause:
    subject: object
    verb: tuple
    tense: str = 'present'   # or past (German: perfect), or a modal of MODALS
    negated: bool = False
    indirect: object = None  # the recipient
    object: object = None    # in the verb's case, after its preposition
    predicate: object = None  # after "be"
    goal: object = None      # where to; for verbs without an object, where
    place: object = None     # where, in addition to an object
    company: object = None   # with whom
    time: object = None
    often: object = None
    time_first: bool = False
    asked: object = None     # the question word or phrase, which comes first

    # English

    def english_verb(self):
        """The parts before and after the subject of a question, and both joined in a statement."""
        person, base = self.subject.person, self.verb.en
        be = ('am', 'are', 'is', 'are')[person]
        do = 'does' if person == 2 else 'do'
        if self.verb is BE:
            past = 'was' if person in (0, 2) else 'were'
            return (past, '', past) if self.tense == 'past' else (be, '', be)
        if self.tense == 'present':
            return do, base, third_person(base) if person == 2 else base
        if self.tense == 'past':
            return 'did', base, self.verb.past
        if self.tense == 'want':
            return do, 'want to ' + base, f"{'wants' if person == 2 else 'want'} to {base}"
        if self.tense == 'be allowed':
            return be, 'allowed to ' + base, f'{be} allowed to {base}'
        return self.tense, base, f'{self.tense} {base}'

    def english_rest(self):
        case = 'dat' if self.verb.case == 'dat' else 'acc'
        parts = [self.indirect and self.indirect.english('dat'),
                 self.object and self.object.english(case)]
        parts += [part and part.english() for part in
                  (self.predicate, self.goal, self.place, self.company,
                   None if self.time_first else self.time)]
        return parts

    def english(self, question=False):
        auxiliary, rest, plain = self.english_verb()
        subject = self.subject.english()
        if question:
            parts = [self.asked and self.asked.english(), auxiliary, subject, rest]
        else:
            if self.negated:
                plain = f'{auxiliary} not {rest}'.replace('can not', 'cannot')
            parts = [self.time.english() if self.time_first else None, subject,
                     self.often and self.often.english(), plain]
        return join(parts + self.english_rest())

    def english_infinitive(self):
        return join(['to', self.verb.en] + self.english_rest())

    # German

    def german_verb(self):
        """The finite verb, and the words at the end of the clause."""
        verb, person = self.verb, self.subject.person
        if verb is BE and self.tense == 'past':
            return PAST_OF_SEIN[person], ''
        if self.tense == 'present':
            return present(verb.de, verb.er)[person], verb.prefix
        if self.tense == 'past':
            return present({'hat': 'haben', 'ist': 'sein'}[verb.aux])[person], verb.participle
        return present(MODALS[self.tense])[person], verb.prefix + verb.de

    def german_middle(self):
        """The words between the finite verb and the end of the clause."""
        verb = self.verb
        prepositional = self.object and verb.prep
        objects = [] if prepositional else [(self.indirect, 'dat'), (self.object, verb.case)]
        objects = [(phrase, case) for phrase, case in objects if phrase]
        # "kein" negates an object without an article or with "ein", "nicht" everything else.
        kein = self.negated and any(phrase.determiner in ('', 'a') and not phrase.count
                                    for phrase, _ in objects if isinstance(phrase, NounPhrase))

        def said(wanted):
            return [phrase.german(case, kein and not phrase.definite)
                    for phrase, case in objects if wanted(phrase)]

        parts = said(lambda phrase: isinstance(phrase, Pronoun))
        parts += [part and part.german() for part in
                  (None if self.time_first else self.time, self.often, self.company)]
        parts += said(lambda phrase: phrase.definite and isinstance(phrase, NounPhrase))
        parts += [self.place and self.place.german()]
        parts += said(lambda phrase: not phrase.definite)
        parts += ['nicht' if self.negated and not kein else None]
        if prepositional:
            parts += [Preposition('', verb.prep, verb.case, self.object).german()]
        return parts + [part and part.german() for part in (self.goal, self.predicate)]

    def german(self, order='second'):
        """`order` is the position of the finite verb: second, first (after a word) or last."""
        finite, end = self.german_verb()
        subject, middle = self.subject.german('nom'), self.german_middle()
        if order == 'last':
            if self.tense == 'present':
                return join([subject, *middle, end + finite])
            return join([subject, *middle, end, finite])
        first = self.asked or (self.time if self.time_first else None)
        first = first and first.german()
        if order == 'first' or first:
            return join([first, finite, subject, *middle, end])
        return join([subject, finite, *middle, end])

    def german_infinitive(self):
        verb = self.verb
        infinitive = f'{verb.prefix}zu{verb.de}' if verb.prefix else f'zu {verb.de}'
        return join([*self.german_middle(), infinitive])

    def combinations(self):
        """The combinations of adjectives and verbs with nouns, which may be held out."""
        phrases = [self.subject, self.indirect, self.object]
        phrases += [getattr(part, 'phrase', None) for part in
                    (self.goal, self.place, self.company, self.asked, self.predicate)]
        found = [(p.adjective.en, p.noun.en) for p in phrases if getattr(p, 'adjective', None)]
        if isinstance(self.predicate, Predicate) and isinstance(self.subject, NounPhrase):
            found.append((self.predicate.adjective.en, self.subject.noun.en))
        for thing in (self.object, getattr(self.asked, 'phrase', None)):
            if isinstance(thing, NounPhrase):
                found.append((self.verb.en, thing.noun.en))
        return found
