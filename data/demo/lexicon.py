# SPDX-License-Identifier: Apache-2.0
"""The words of the built-in corpus: tables, and the objects made from them.

Every English word has one German translation, and no English form stands for two words, so that
each English sentence has exactly one German one. Regular English forms follow from the base.
"""
import re
from collections import namedtuple

# Entries are separated by two spaces: English[/plural], article, German[/plural], and * where a
# masculine noun is weak (der Junge, den Jungen). No plural: singular only. The left column is the
# classes that all entries of the block belong to; verbs and adjectives name classes or nouns.
_NOUNS = {
    'person': '''
man/men der Mann/Männer  woman/women die Frau/Frauen  boy der Junge/Jungen*
girl das Mädchen/Mädchen  farmer der Bauer/Bauern*''',
    'person ours': '''
child/children das Kind/Kinder  friend der Freund/Freunde  neighbour der Nachbar/Nachbarn*
teacher der Lehrer/Lehrer  doctor der Arzt/Ärzte  student der Student/Studenten*
baker der Bäcker/Bäcker''',
    'person kin': '''
father der Vater  mother die Mutter  brother der Bruder/Brüder  sister die Schwester/Schwestern
aunt die Tante/Tanten''',
    'animal tame': '''
dog der Hund/Hunde  cat die Katze/Katzen  horse das Pferd/Pferde  cow die Kuh/Kühe
chicken das Huhn/Hühner''',
    'animal wild': '''
bird der Vogel/Vögel  mouse/mice die Maus/Mäuse  bear der Bär/Bären*  wolf/wolves der Wolf/Wölfe''',
    'food fruit': '''
apple der Apfel/Äpfel  banana die Banane/Bananen''',
    'food vegetable': '''
potato/potatoes die Kartoffel/Kartoffeln  tomato/tomatoes die Tomate/Tomaten''',
    'food': '''
egg das Ei/Eier  cake der Kuchen/Kuchen  soup die Suppe/Suppen''',
    'food mass': '''
bread das Brot  cheese der Käse  meat das Fleisch''',
    'drink mass': '''
milk die Milch  water das Wasser  tea der Tee  coffee der Kaffee''',
    'text': '''
newspaper die Zeitung/Zeitungen''',
    'text writing': '''
book das Buch/Bücher  letter der Brief/Briefe  story die Geschichte/Geschichten
poem das Gedicht/Gedichte''',
    'vehicle private': '''
car das Auto/Autos  bicycle das Fahrrad/Fahrräder  boat das Boot/Boote''',
    'vehicle line': '''
bus der Bus/Busse  train der Zug/Züge''',
    'clothes garment': '''
shirt das Hemd/Hemden  coat der Mantel/Mäntel  dress das Kleid/Kleider  shoe der Schuh/Schuhe
jacket die Jacke/Jacken''',
    'clothes': '''
hat der Hut/Hüte''',
    'furniture surface': '''
table der Tisch/Tische  chair der Stuhl/Stühle  bed das Bett/Betten''',
    'furniture': '''
cupboard der Schrank/Schränke  clock die Uhr/Uhren''',
    'furniture device': '''
lamp die Lampe/Lampen  radio das Radio/Radios''',
    'container': '''
box die Kiste/Kisten  bag die Tasche/Taschen  basket der Korb/Körbe''',
    'dish': '''
cup die Tasse/Tassen  plate der Teller/Teller  glass das Glas/Gläser  bottle die Flasche/Flaschen''',
    'thing': '''
key der Schlüssel/Schlüssel  ball der Ball/Bälle  umbrella der Regenschirm/Regenschirme
gift das Geschenk/Geschenke  flower die Blume/Blumen  picture das Bild/Bilder  ring der Ring/Ringe''',
    'opening': '''
door die Tür/Türen  window das Fenster/Fenster''',
    'place building': '''
school die Schule/Schulen  museum das Museum/Museen  hotel das Hotel/Hotels
church die Kirche/Kirchen  library die Bibliothek/Bibliotheken  house das Haus/Häuser''',
    'place area': '''
city die Stadt/Städte  village das Dorf/Dörfer  garden der Garten/Gärten  park der Park/Parks''',
    'place room': '''
kitchen die Küche/Küchen  room das Zimmer/Zimmer  cellar der Keller/Keller''',
}

# English[/comparative] | German[/comparative[/stem before an ending]] | the nouns it describes
_ADJECTIVES = '''
old/older                    | alt/älter                 | person -boy -girl -child animal text
    vehicle clothes furniture building area opening
young/younger                | jung/jünger               | person animal
new                          | neu                       | text vehicle clothes furniture container
    building thing opening
big/bigger                   | groß/größer               | animal vehicle fruit vegetable container
    dish furniture place opening gift ball key
small/smaller                | klein/kleiner             | animal vehicle fruit vegetable container
    dish furniture place opening gift ball key
beautiful/more beautiful     | schön/schöner             | place clothes thing -key -ball horse bird
    cat
good                         | gut                       | text food drink friend doctor teacher
red                          | rot                       | clothes vehicle container flower apple
    ball umbrella door
blue                         | blau                      | clothes vehicle container ball umbrella
    bird cup plate door
green                        | grün                      | clothes vehicle bottle apple umbrella
yellow                       | gelb                      | clothes vehicle flower banana lamp bird
white                        | weiß                      | clothes vehicle horse cat plate house
    flower
black                        | schwarz                   | clothes vehicle cat dog horse umbrella
    coffee tea
long/longer                  | lang/länger               | text garment train table
short/shorter                | kurz/kürzer               | text dress
interesting/more interesting | interessant/interessanter | text museum city man woman
funny                        | lustig                    | story poem letter picture person hat
heavy/heavier                | schwer/schwerer           | container furniture box key book
expensive/more expensive     | teuer/teurer/teur         | private clothes furniture thing hotel
    cheese
cheap/cheaper                | billig/billiger           | private clothes furniture dish thing
    hotel meat cheese
fast/faster                  | schnell/schneller         | vehicle horse dog
tired                        | müde//müd                 | person tame
happy                        | glücklich                 | person
friendly/friendlier          | freundlich/freundlicher   | person dog horse
clever/cleverer              | klug/klüger               | person
hungry                       | hungrig                   | person animal
rich/richer                  | reich/reicher             | person
poor/poorer                  | arm/ärmer                 | person
brave/braver                 | mutig/mutiger             | person
strong/stronger              | stark/stärker             | man woman boy horse bear
fresh                        | frisch                    | fruit vegetable bread cake milk meat egg
    cheese
sweet/sweeter                | süß/süßer                 | fruit cake tea
cold                         | kalt                      | drink meat soup egg room kitchen cellar
warm                         | warm                      | garment bread soup milk water room
    kitchen
hot                          | heiß                      | tea coffee milk water soup potato
dirty                        | schmutzig                 | garment dish vehicle window kitchen room
empty                        | leer                      | container bottle glass cup room house
broken                       | kaputt                    | device vehicle cup glass umbrella clock
    chair
dark                         | dunkel//dunkl             | room cellar house
'''

# English[/past of its first word] | prefix|German infinitive, er ..., perfect, case or preposition
# and case of its object | objects | subjects that are not persons. "-": present tense only.
_VERBS = {
    'object': '''
eat/ate             | essen isst hat gegessen                  | food
drink/drank         | trinken trinkt hat getrunken             | drink
bake                | backen backt hat gebacken                | cake bread
wash                | waschen wäscht hat gewaschen             | garment dish vegetable fruit car
read/read           | lesen liest hat gelesen                  | text
write/wrote         | schreiben schreibt hat geschrieben       | writing
drive/drove         | fahren fährt hat gefahren                | car bus train
repair              | reparieren repariert hat repariert       | vehicle device clock chair door
    umbrella
buy/bought          | kaufen kauft hat gekauft                 | food drink text private clothes
    furniture container dish thing
sell/sold           | verkaufen verkauft hat verkauft          | food private clothes furniture
    house thing tame
open                | auf|machen macht hat aufgemacht          | opening container bottle cupboard
    letter gift umbrella
close               | zu|machen macht hat zugemacht            | opening container bottle cupboard
    book umbrella
switch on           | ein|schalten schaltet hat eingeschaltet  | device
switch off          | aus|schalten schaltet hat ausgeschaltet  | device
put on/put          | an|ziehen zieht hat angezogen            | garment
bring along/brought | mit|bringen bringt hat mitgebracht       | cake gift flower umbrella ball book
    bread
invite              | ein|laden lädt hat eingeladen            | person
call                | an|rufen ruft hat angerufen              | person
see/saw             | sehen sieht hat gesehen                  | person animal vehicle place
    | animal
hear/heard          | hören hört hat gehört                    | person animal train | animal
know/knew           | kennen kennt -                           | person story poem city village
visit               | besuchen besucht hat besucht             | person museum city village church
meet/met            | treffen trifft hat getroffen             | person
love                | lieben liebt -                           | person tame
feed/fed            | füttern füttert hat gefüttert            | tame bird
lose/lost           | verlieren verliert hat verloren          | thing hat bag book
find/found          | finden findet hat gefunden               | thing hat bag book dog cat
look for            | suchen sucht hat gesucht                 | thing text shoe bag hotel doctor
    dog cat
forget/forgot       | vergessen vergisst hat vergessen         | thing book coat bag
hide/hid            | verstecken versteckt hat versteckt       | key ring gift letter book
take/took           | nehmen nimmt hat genommen                | food key umbrella bus train
have/had            | haben hat -                              | tame car bicycle boat furniture
    thing brother sister friend house
wear/wore           | tragen trägt hat getragen                | clothes ring
help                | helfen hilft hat geholfen dat            | person
thank               | danken dankt hat gedankt dat             | person
follow              | folgen folgt ist gefolgt dat             | person animal | animal
listen to           | zu|hören hört hat zugehört dat           | person
wait for            | warten wartet hat gewartet auf acc       | person line letter
think of/thought    | denken denkt hat gedacht an acc          | person animal
talk about          | sprechen spricht hat gesprochen über acc | text person city museum
talk to             | sprechen spricht hat gesprochen mit dat  | person
''',
    'give': '''
give/gave           | geben gibt hat gegeben                   | food text key flower gift ring
    umbrella glass cup
bring/brought       | bringen bringt hat gebracht              | food drink newspaper gift flower
    coat key
send/sent           | schicken schickt hat geschickt           | letter gift picture book
''',
    'put': '''
put/put             | legen legt hat gelegt                    | text key garment ring gift
''',
    'place': '''
sleep/slept         | schlafen schläft hat geschlafen          | | animal
wait                | warten wartet hat gewartet               | | animal
sit/sat             | sitzen sitzt hat gesessen                | | animal
work                | arbeiten arbeitet hat gearbeitet         |
sing/sang           | singen singt hat gesungen                | | bird
dance               | tanzen tanzt hat getanzt                 |
stay                | bleiben bleibt ist geblieben             | | animal
live                | wohnen wohnt -                           |
''',
    'plain': '''
get up/got          | auf|stehen steht ist aufgestanden        | | animal
fall asleep/fell    | ein|schlafen schläft ist eingeschlafen   | | animal
come back/came      | zurück|kommen kommt ist zurückgekommen   | | animal
arrive              | an|kommen kommt ist angekommen           | | line
''',
    'goal': '''
go/went             | gehen geht ist gegangen                  |
drive/drove         | fahren fährt ist gefahren                | | bus
travel/travelled    | reisen reist ist gereist                 |
''',
    'be': 'be/was | sein ist - |',
    'lie': 'lie/lay | liegen liegt - |',
    'cost': 'cost/cost | kosten kostet - |',
    'that': '''
say/said            | sagen sagt -                       |
think/thought       | glauben glaubt -                   |
hope                | hoffen hofft -                     |
know/knew           | wissen weiß -                      |
''',
    'whether': '''
know/knew           | wissen weiß -                      |
ask                 | fragen fragt -                     |
''',
    'to': '''
try/tried           | versuchen versucht hat versucht    |
forget/forgot       | vergessen vergisst hat vergessen   |
begin/began         | beginnen beginnt hat begonnen      |
promise             | versprechen verspricht hat versprochen |
''',
}

# Forms of ich, du, er, wir that do not follow from the infinitive and "er ...".
PRESENT = {verb: forms.split() for verb, forms in {
    'sein': 'bin bist ist sind', 'haben': 'habe hast hat haben',
    'wissen': 'weiß weißt weiß wissen',
    'können': 'kann kannst kann können', 'müssen': 'muss musst muss müssen',
    'wollen': 'will willst will wollen', 'dürfen': 'darf darfst darf dürfen',
    'sollen': 'sollte solltest sollte sollten', 'werden': 'werde wirst wird werden'}.items()}
PAST_OF_SEIN = 'war warst war waren'.split()
MODALS = {'can': 'können', 'must': 'müssen', 'want': 'wollen', 'be allowed': 'dürfen',
          'should': 'sollen', 'will': 'werden'}

# English determiner (plural): German stem. After the first ones an adjective takes weak endings.
DETERMINERS = {'the': 'd', 'this': 'dies', 'these': 'dies', 'every': 'jed', 'which': 'welch',
               'all the': 'all', 'many': 'viel', 'some': 'einig', 'a': 'ein', 'no': 'kein',
               'my': 'mein', 'your': 'dein', 'his': 'sein', 'her': 'ihr', 'our': 'unser',
               'their': 'ihr'}
POSSESSIVES = ('my', 'your', 'his', 'her', 'our', 'their')

# English subject, object; German nominative, accusative, dative; whose verb form (see PRESENT).
PRONOUNS = {row.split()[0]: row.split() for row in (
    'I me ich mich mir 0', 'you you du dich dir 1', 'he him er ihn ihm 2', 'she her sie sie ihr 2',
    'we us wir uns uns 3', 'they them sie sie ihnen 3', 'who whom wer wen wem 2')}

# By the tense they occur with.
TIMES = {
    'present': {'today': 'heute', 'now': 'jetzt', 'every day': 'jeden Tag',
                'in the morning': 'am Morgen', 'in the evening': 'am Abend'},
    'past': {'yesterday': 'gestern', 'last week': 'letzte Woche', 'on Monday': 'am Montag',
             'on Friday': 'am Freitag', 'in the morning': 'am Morgen'},
    'future': {'tomorrow': 'morgen', 'next week': 'nächste Woche', 'today': 'heute',
               'soon': 'bald', 'on Tuesday': 'am Dienstag', 'on Sunday': 'am Sonntag'}}
FREQUENCIES = {'often': 'oft', 'always': 'immer', 'sometimes': 'manchmal', 'never': 'nie',
               'rarely': 'selten'}
WEATHER = {'it is raining': 'es regnet', 'it is snowing': 'es schneit',
           'the sun is shining': 'die Sonne scheint'}
CONJUNCTIONS = {'because': 'weil', 'although': 'obwohl', 'if': 'wenn', 'while': 'während'}

_ONES = ('null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn '
         'fünfzehn sechzehn siebzehn achtzehn neunzehn').split()
_ONES_EN = ('zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen '
            'fifteen sixteen seventeen eighteen nineteen').split()
_TENS = 'zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig'.split()
_TENS_EN = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()


def number(n):
    """1 ... 99 in words, English and German (where a noun follows: "ein", not "eins")."""
    if n < 20:
        return _ONES_EN[n], _ONES[n]
    tens, one = divmod(n - 20, 10)
    if one == 0:
        return _TENS_EN[tens], _TENS[tens]
    return f'{_TENS_EN[tens]}-{_ONES_EN[one]}', f'{_ONES[one]}und{_TENS[tens]}'


def with_s(word):
    """Plural of a noun, third person of a verb."""
    if re.search('([sxz]|ch|sh)$', word) or word in ('go', 'do'):
        return word + 'es'
    return re.sub('([^aeiou])y$', r'\1ie', word) + 's'


Noun = namedtuple('Noun', 'en en_plural gender de de_plural weak classes')
Adjective = namedtuple('Adjective', 'en en_more de de_more stem nouns')
Verb = namedtuple('Verb', 'en past prefix de er aux participle prep case objects subjects')


def _read_nouns():
    for classes, table in _NOUNS.items():
        for entry in re.split(r'\s{2,}|\n', table.strip()):
            english, article, german = entry.split()
            en, en_plural = (english.split('/') + [with_s(english)])[:2]
            de, _, de_plural = german.strip('*').partition('/')
            gender = {'der': 'm', 'die': 'f', 'das': 'n'}[article]
            yield Noun(en, en_plural, gender, de, de_plural, '*' in german, classes.split())


NOUNS = {noun.en: noun for noun in _read_nouns()}


def nouns_of(words):
    """The nouns named directly or by class, except those with a minus."""
    words = words.split()
    return [noun for noun in NOUNS.values()
            if '-' + noun.en not in words and {noun.en, *noun.classes} & set(words)]


def _rows(table):
    """Lines, where an indented line continues the previous one."""
    return re.sub(r'\n +', ' ', table.strip()).splitlines()


def _read_adjectives():
    for line in _rows(_ADJECTIVES):
        english, german, nouns = (column.strip() for column in line.split('|'))
        en, _, en_more = english.partition('/')
        de, de_more, stem = (german.split('/') + ['', ''])[:3]
        yield Adjective(en, en_more, de, de_more, stem or de, [n.en for n in nouns_of(nouns)])


ADJECTIVES = {adjective.en: adjective for adjective in _read_adjectives()}


def _read_verbs(table):
    for line in _rows(table):
        english, german, objects, subjects = (re.split(r'\s*\|(?!\w)\s*', line) + [''])[:4]
        en, _, past = english.partition('/')
        first, _, rest = en.partition(' ')
        past = past or re.sub('([^aeiou])y$', r'\1i', first).rstrip('e') + 'ed'
        infinitive, er, *perfect = german.split()
        prefix, _, de = infinitive.rpartition('|')
        aux, participle, *frame = perfect + [''] if perfect == ['-'] else perfect
        case = frame[-1] if frame else 'acc'
        yield Verb(en, f'{past} {rest}'.strip(), prefix, de, er, aux, participle,
                   frame[0] if len(frame) == 2 else '', case, nouns_of(objects),
                   nouns_of('person ' + subjects))


VERBS = {frame: {verb.en: verb for verb in _read_verbs(table)} for frame, table in _VERBS.items()}
