"""Words that join an answer's own, and that an LLM may choose anew: "to Berlin" for "in Berlin".

Articles, prepositions, pronouns, conjunctions and auxiliary verbs; no numerals and no adverbs,
which say something. Written as :func:`sdg_assets.quality.text.normalise` leaves them, with what an
apostrophe parts (*l'été*, *Anna's*) as words of their own.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sdg_assets.quality.languages import base_language

_ENGLISH = """
a an the this that these those some of in on at to from by with for into onto upon about over
under near between through during since until as and or but because so than who which it its he she
they them him her his their i me my we us our you your is are was were be been being am has have had
do does did will would can could s
"""
_GERMAN = """
der die das den dem des ein eine einen einem einer eines dies diese dieser dieses diesem diesen
in im ins an am ans auf aus bei beim mit nach von vom zu zum zur für über unter vor hinter neben
zwischen durch um bis seit während wegen gegen und oder aber weil dass als wie es er sie ihn ihm ihr
ihre ihren ihrem ihrer sein seine seinen seinem seiner sich ich mich mir mein meine wir uns unser du
ist sind war waren wird werden wurde wurden hat haben hatte hatten kann
"""
_SPANISH = """
el la los las lo un una unos unas este esta estos estas ese esa esos esas de del a al en con por
para sobre entre desde hasta sin según durante y e o u pero porque que como se su sus él ella ellos
ellas le les me mi mis nos te tu es son era eran fue fueron ser está están estaba ha han había
"""
_FRENCH = """
le la les l un une des du de d ce cet cette ces à au aux en dans sur sous chez par pour avec sans
entre vers depuis pendant et ou mais parce que qu comme il elle ils elles on se s son sa ses leur
leurs lui je j me m mon ma mes nous vous est sont était étaient fut être a ont avait c n
"""
_ITALIAN = """
il lo la l i gli le un uno una questo questa questi queste di d del dello della dei degli delle a al
allo alla ai agli alle da dal dalla dai in nel nello nella nei nelle con su sul sulla per tra fra e
ed o ma perché che come si suo sua suoi sue lui lei loro mi mio mia è sono era erano fu essere ha
hanno aveva c
"""
_PORTUGUESE = """
o a os as um uma uns umas este esta estes estas esse essa de do da dos das em no na nos nas a ao à
aos às com por pelo pela para sobre entre desde até sem e ou mas porque que como se seu sua seus
suas ele ela eles elas lhe me meu minha é são era eram foi foram ser está há tem
"""
_DUTCH = """
de het een dit dat deze die in op aan bij met naar van uit te tot voor over onder tussen door om
sinds tijdens en of maar omdat als zoals hij zij ze het hem haar hun zijn zich ik mij me mijn wij we
ons onze is was waren wordt werd werden heeft hebben had
"""
_HINDI = """
का के की को में से पर ने तक लिए साथ और या कि एक यह वह ये वे इस उस इन उन इसका उसका इसके उसके
उनका उनके मैं हम है हैं था थे थी थीं हो हुआ हुई हुए गया गई गए
"""
_BY_LANGUAGE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        language: frozenset(text.split())
        for language, text in {
            "en": _ENGLISH, "de": _GERMAN, "es": _SPANISH, "fr": _FRENCH, "it": _ITALIAN,
            "pt": _PORTUGUESE, "nl": _DUTCH, "hi": _HINDI,
        }.items()
    }
)  # fmt: skip


def function_words(language: str) -> frozenset[str]:
    """Those of a BCP-47 tag's language; none where it has no list here."""
    return _BY_LANGUAGE.get(base_language(language), frozenset())
