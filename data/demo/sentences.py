# SPDX-License-Identifier: Apache-2.0
"""The kinds of sentences in the built-in corpus. Each returns English, German and its clauses."""
from clauses import ACTIONS, UNWILLED, Chooser
from grammar import BE, Clause, NounPhrase, Preposition, Pronoun, Words
from lexicon import CONJUNCTIONS, VERBS, WEATHER, nouns_of, number

PRICED = nouns_of('private clothes furniture container dish thing book')
LYING = nouns_of('text clothes thing dish')
YOUNG = nouns_of('child boy girl animal')


class Sentences(Chooser):
    def same_again(self, subject):
        """The pronoun for a subject; None if its gender is not obvious."""
        if isinstance(subject, Pronoun):
            return subject
        if 'person' not in subject.noun.classes or not self.deniable(subject):
            return None
        if subject.plural:
            return Pronoun('they')
        return {'m': Pronoun('he'), 'f': Pronoun('she')}.get(subject.noun.gender)

    def reason(self, word, subject):
        """The clause after a conjunction: the weather, what the subject is, or what somebody does."""
        if self.chance(0.25):
            en = self.pick(WEATHER)
            return en, WEATHER[en], []
        again = self.same_again(subject)
        tense = 'present' if word in ('if', 'while') else None
        if again and word != 'while' and self.chance(0.4):
            clause = self.inner_clause(frame='be', subject=again, tense=tense)
        else:
            clause = self.inner_clause(frame=self.pick(ACTIONS), tense=tense,
                                       subject=again if self.chance(0.3) else None)
        return clause.english(), clause.german('last'), [clause]

    def plain(self):
        clause = self.statement()
        return clause.english() + '.', clause.german() + '.', [clause]

    def question(self):
        clause = self.inner_clause()
        while clause.negated or clause.often or not self.deniable(clause.subject):
            clause = self.inner_clause()
        if self.chance(0.5) and not clause.time:
            clause.asked = self.question_word(clause)
        return clause.english(question=True) + '?', clause.german('first') + '?', [clause]

    def question_word(self, clause):
        what, verb = clause.object, clause.verb
        if what and not verb.prep and not clause.indirect and self.chance(0.6):
            clause.object = None
            if isinstance(what, NounPhrase) and self.chance(0.5):
                what.determiner, what.count = 'which', 0
                return Preposition('', '', verb.case, what)
            if isinstance(what, Pronoun) or 'person' in what.noun.classes:
                return Words('whom', {'acc': 'wen', 'dat': 'wem'}[verb.case])
            return Words('what', 'was')
        if clause.goal and verb.en in VERBS['goal']:
            clause.goal = None
            return Words('where', 'wohin')
        if verb.en in VERBS['place'] or clause.place and clause.place.en != 'for':
            clause.goal = clause.place = None
            return Words('where', 'wo')
        return self.pick([Words('why', 'warum')] if verb is BE else
                         [Words('why', 'warum'), Words('when', 'wann')])

    def who(self):
        clause = self.inner_clause(subject=Pronoun('who'))
        while clause.negated:
            clause = self.inner_clause(subject=Pronoun('who'))
        return clause.english() + '?', clause.german() + '?', [clause]

    def subordinate(self):
        word = self.pick(CONJUNCTIONS)
        tense = self.pick(['present', 'can', 'must', 'will']) if word in ('if', 'while') else None
        main = self.inner_clause(frame=self.pick(ACTIONS), tense=tense)
        en, de, clauses = self.reason(word, main.subject)
        if self.chance(0.35):
            return (f'{word} {en}, {main.english()}.',
                    f"{CONJUNCTIONS[word]} {de}, {main.german('first')}.", [main, *clauses])
        return (f'{main.english()} {word} {en}.',
                f'{main.german()}, {CONJUNCTIONS[word]} {de}.', [main, *clauses])

    def reported(self):
        frame = self.pick(['that', 'that', 'whether'])
        outer = self.clause(frame)
        while not self.deniable(outer.subject):
            outer = self.clause(frame)
        outer.negated = frame == 'whether' and outer.verb.en == 'know'
        inner = self.inner_clause()
        conjunction = {'that': 'dass', 'whether': 'ob'}[frame]
        return (f'{outer.english()} {frame} {inner.english()}.',
                f"{outer.german()}, {conjunction} {inner.german('last')}.", [outer, inner])

    def infinitive(self):
        """tries to read / goes to the city in order to read."""
        purpose = self.chance(0.3)
        verb = VERBS['to']['try']  # whose subjects are persons
        outer = self.clause('goal' if purpose else 'to', self.subject(verb),
                            self.pick(['present', 'past']))
        frames = ['object'] * 4 + ['give', 'put']
        inner = self.clause(self.pick(frames), outer.subject)
        while not inner.verb.participle or inner.verb.en in UNWILLED:
            inner = self.clause(self.pick(frames), outer.subject)
        en, de = ('in order ', 'um ') if purpose else ('', '')
        return (f'{outer.english()} {en}{inner.english_infinitive()}.',
                f'{outer.german()}, {de}{inner.german_infinitive()}.', [outer, inner])

    def measured(self):
        """is seven years old, costs seven euros, lies on the table."""
        kind = self.pick(['age', 'cost', 'lie'])
        if kind == 'age':
            subject = self.subject(VERBS['object']['see'])
            noun = getattr(subject, 'noun', None)
            en, de = number(2 + self.below(16) if noun in YOUNG else 20 + self.below(80))
            clause = Clause(subject, BE, predicate=Words(f'{en} years old', f'{de} Jahre alt'))
        else:
            things = LYING if kind == 'lie' else PRICED
            clause = Clause(self.noun_phrase(things, 'other'), VERBS[kind][kind])
            if kind == 'lie':
                clause.goal = self.on_or_in('dat')
            else:
                en, de = number(2 + self.below(98))
                clause.predicate = Words(f'{en} euros', f'{de} Euro')
        return clause.english() + '.', clause.german() + '.', [clause]

    def sentence(self):
        """English, German and the combinations in it; 3 to 12 words."""
        kinds = [self.plain] * 12 + [self.question] * 4 + [self.subordinate] * 2 + [
            self.infinitive, self.reported, self.who] + [self.measured] * 2
        while True:
            en, de, clauses = self.pick(kinds)()
            if all(3 <= len(text.split()) <= 12 for text in (en, de)):
                return (en[0].upper() + en[1:], de[0].upper() + de[1:],
                        [found for clause in clauses for found in clause.combinations()])
