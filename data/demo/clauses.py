# SPDX-License-Identifier: Apache-2.0
"""Chooses phrases and clauses of the built-in corpus: who does what, to whom, where and when."""
import random

from grammar import BE, Clause, NounPhrase, Predicate, Preposition, Pronoun, Words, third_person
from lexicon import (ADJECTIVES, FREQUENCIES, MODALS, NOUNS, POSSESSIVES, TIMES, VERBS, nouns_of,
                     number)

# The position of a phrase decides how it may begin; repeated entries are chosen more often.
ONE = {'subject': 'the the the the the the a this POSS POSS every no',
       'object': 'the the the a a a a a this POSS POSS', 'other': 'the the the POSS', 'new': 'a'}
SEVERAL = {'subject': 'the the the the these POSS COUNT many some all', 'object':
           'the the these POSS COUNT COUNT many some BARE BARE', 'other': 'the the these POSS',
           'new': 'COUNT many BARE'}
ACTIONS = ['object'] * 11 + ['place', 'goal', 'give'] * 2 + ['plain', 'put']
FRAMES = ACTIONS + ['be'] * 2
TENSES = ['present'] * 6 + ['past'] * 3 + ['can', 'must', 'want', 'be allowed', 'should', 'will']
PLACE_BESIDE_OBJECT = ('eat', 'drink', 'read', 'write', 'meet', 'lose', 'find', 'hide', 'buy',
                       'sell', 'talk to', 'wait for', 'see', 'look for')
FOR_SOMEBODY = ('buy', 'bake', 'write', 'bring along')
# Nobody wants to lose a key.
UNWILLED = ('see', 'hear', 'lose', 'find', 'forget')
PERSONS, AREAS, ROOMS = nouns_of('person'), nouns_of('area'), nouns_of('room area')
BUILDINGS, PLACES = nouns_of('building'), nouns_of('place')
WALKS, DRIVES = nouns_of('place -house -room'), nouns_of('building area -house -garden')
TRIPS = nouns_of('city village museum hotel')
SURFACES, CONTAINERS = nouns_of('surface'), nouns_of('container')
OWNED = nouns_of('kin ours tame food drink text vehicle clothes furniture container dish thing '
                 'opening room house school garden city village')
COUNTED = nouns_of('animal food text clothes dish thing')  # by the dozen
ADJECTIVES_OF = {noun: [a for a in ADJECTIVES.values() if noun in a.nouns] for noun in NOUNS}
SUBJECT_PRONOUNS = ('I', 'you', 'he', 'she', 'we', 'they')


class Chooser:
    """The source of randomness. Only random() is the same in every version of Python."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def chance(self, probability):
        return self.random() < probability

    def below(self, limit):
        return int(self.random() * limit)

    def pick(self, options):
        options = list(options)
        return options[self.below(len(options))]

    # Phrases

    def noun_phrase(self, nouns, role):
        noun = self.pick(nouns)
        plural = bool(noun.de_plural) and self.chance(0.15 if role == 'other' else 0.3)
        determiner = self.pick((SEVERAL if plural else ONE)[role].split())
        if 'kin' in noun.classes and determiner != 'COUNT' and self.chance(0.8):
            determiner = 'POSS'
        if 'mass' in noun.classes and determiner in ('a', 'every'):
            determiner = 'BARE'
        if determiner == 'POSS' and noun not in OWNED:
            determiner = 'the'
        count = 0
        if determiner == 'COUNT':
            large = noun in COUNTED and self.chance(0.2)
            count = 2 + self.below(98 if large else 9)
        determiner = {'POSS': self.pick(POSSESSIVES), 'COUNT': '', 'BARE': '',
                      'all': 'all the'}.get(determiner, determiner)
        adjectives = ADJECTIVES_OF[noun.en]
        adjective = self.pick(adjectives) if adjectives and self.chance(0.3) else None
        return NounPhrase(noun, determiner, plural, adjective, count)

    def other_person(self, subject):
        noun = getattr(subject, 'noun', None)
        return self.noun_phrase([n for n in PERSONS if n != noun], 'other')

    def subject(self, verb):
        if self.chance(0.3):
            return Pronoun(self.pick(SUBJECT_PRONOUNS))
        return self.noun_phrase(verb.subjects, 'subject')

    def object_of(self, verb, subject):
        if NOUNS['man'] in verb.objects and self.chance(0.25):
            myself = subject.english()
            return Pronoun(self.pick(p for p in SUBJECT_PRONOUNS if p != myself and not
                                     {p, myself} <= {'I', 'we'}))
        noun = subject.noun if isinstance(subject, NounPhrase) else None
        role = 'new' if verb.en == 'have' else 'object'
        return self.noun_phrase([n for n in verb.objects if n != noun], role)

    def where(self, subject):
        """A place where somebody can be."""
        classes = getattr(subject, 'noun', NOUNS['man']).classes
        if 'wild' in classes:
            return Preposition('in', 'in', 'dat', self.noun_phrase(AREAS, 'other'))
        en, de, nouns = self.pick([('in', 'in', PLACES if 'person' in classes else ROOMS)] * 4 + [
            ('behind', 'hinter', BUILDINGS), ('in front of', 'vor', BUILDINGS),
            ('next to', 'neben', BUILDINGS)])
        return Preposition(en, de, 'dat', self.noun_phrase(nouns, 'other'))

    def on_or_in(self, case):
        en, de, nouns = self.pick([('on', 'auf', SURFACES), ('under', 'unter', SURFACES),
                                   ('in', 'in', CONTAINERS)])
        return Preposition(en, de, case, self.noun_phrase(nouns, 'other'))

    def company(self, subject):
        en, de, case = self.pick([('with', 'mit', 'dat')] * 2 + [('without', 'ohne', 'acc')])
        return Preposition(en, de, case, self.other_person(subject))

    def to_where(self, verb, subject):
        if verb.en == 'go' and self.chance(0.2):
            return Preposition('to', 'zu', 'dat', self.other_person(subject))
        places = {'go': WALKS, 'drive': DRIVES, 'travel': TRIPS}[verb.en]
        return Preposition('to', 'in', 'acc', self.noun_phrase(places, 'other'))

    def predicate(self, subject):
        noun = getattr(subject, 'noun', None)
        fitting = ADJECTIVES_OF[noun.en] if noun else [
            a for a in ADJECTIVES_OF['man'] if a in ADJECTIVES_OF['woman']]
        adjective = self.pick(fitting)
        if adjective.de_more and self.chance(0.3):
            kind = (noun or NOUNS['man']).classes[0]
            others = [n for n in nouns_of(kind) if n != noun and n.en in adjective.nouns]
            if others:
                return Predicate(adjective, self.noun_phrase(others, 'other'))
        return Predicate(adjective)

    def time(self, tense):
        if self.chance(0.1):
            hour = number(1 + self.below(12))
            return Words(f'at {hour[0]} o\'clock', f'um {hour[1]} Uhr')
        times = TIMES[tense if tense in TIMES else 'future']
        en = self.pick(times)
        return Words(en, times[en])

    # Clauses

    def clause(self, frame=None, subject=None, tense=None):
        """Somebody does something; without a time and not negated yet."""
        frame = frame or self.pick(FRAMES)
        verb = self.pick(VERBS[frame].values())
        if subject is None:
            subject = self.noun_phrase(NOUNS.values(), 'subject') if verb is BE and \
                self.chance(0.6) else self.subject(verb)
        tense = tense or self.pick(TENSES)
        if verb is BE and tense in MODALS or verb is not BE and not verb.participle:
            tense = 'present'
        if tense in MODALS and verb.en in UNWILLED:
            tense = 'will'
        if tense == 'past' and verb.past == (
                third_person(verb.en) if subject.person == 2 else verb.en):
            tense = 'present'  # "they put" would be ambiguous
        clause = Clause(subject, verb, tense)
        if verb.objects:
            clause.object = self.object_of(verb, subject)
        if frame == 'give':
            clause.indirect = self.object_of(VERBS['object']['help'], subject)
            if isinstance(clause.indirect, NounPhrase):
                clause.indirect = self.other_person(subject)
        elif frame == 'put':
            clause.goal = self.on_or_in('acc')
        elif frame == 'place':
            clause.goal = self.where(subject)
            if verb.en in ('sit', 'sleep') and self.chance(0.4):
                clause.goal = Preposition('on', 'auf', 'dat', self.noun_phrase(SURFACES, 'other'))
        elif frame == 'goal':
            clause.goal = self.to_where(verb, subject)
        elif frame == 'be':
            if isinstance(subject, NounPhrase):
                subject.adjective = None
            clause.predicate = self.predicate(subject)
        elif verb.en in PLACE_BESIDE_OBJECT and self.chance(0.15) and not (
                isinstance(clause.object, NounPhrase) and 'place' in clause.object.noun.classes):
            clause.place = self.where(subject)
        elif verb.en in FOR_SOMEBODY and self.chance(0.3):
            clause.place = Preposition('for', 'für', 'acc', self.other_person(subject))
        if frame in ('goal', 'place') and 'person' in getattr(
                subject, 'noun', NOUNS['man']).classes and self.chance(0.15):
            clause.company = self.company(subject)
        return clause

    def statement(self, **given):
        """A clause with its optional parts."""
        clause = self.clause(**given)
        indefinite = isinstance(clause.object, NounPhrase) and (
            clause.object.count or clause.object.determiner in ('many', 'some'))
        aside = clause.place or clause.company or indefinite or clause.tense == 'must'
        if self.deniable(clause.subject) and not aside and self.chance(0.2):
            clause.negated = True
        lasting = not clause.verb.participle  # has, knows, is
        if not lasting and self.chance(0.25):
            clause.time = self.time(clause.tense)
            clause.time_first = self.chance(0.5) or bool(clause.negated and clause.object)
        elif clause.tense == 'present' and self.deniable(clause.subject) and not (
                indefinite or clause.negated or lasting) and self.chance(0.15):
            often = self.pick(FREQUENCIES)
            clause.often = Words(often, FREQUENCIES[often])
        return clause

    @staticmethod
    def deniable(subject):
        return isinstance(subject, Pronoun) or subject.definite and subject.determiner not in (
            'every', 'all the')

    def inner_clause(self, **given):
        """For a subordinate clause: nothing comes before its subject."""
        clause = self.statement(**given)
        if clause.time_first:
            clause.time, clause.time_first = None, False
        return clause
