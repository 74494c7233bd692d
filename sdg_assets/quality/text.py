"""Units of text in any script: words, characters, and the form in which texts are compared."""

import unicodedata
from functools import lru_cache

import regex

from sdg_assets.quality.languages import UNSPACED_SCRIPTS, base_language, scripts_of

# The prolonged sound mark belongs to both kana scripts, so to neither by its property.
_UNSPACED = "[ー" + "".join(rf"\p{{Script={script}}}" for script in sorted(UNSPACED_SCRIPTS)) + "]"
_UNSPACED_LETTER = regex.compile(_UNSPACED)
_WORD = regex.compile(rf"(?={_UNSPACED})\X|(?:(?!{_UNSPACED})\S)+")
_CHARACTER = regex.compile(r"(?!\s)\X")

_APOSTROPHE = regex.compile(r"(?<=[\p{L}\p{M}])['’ʼ‘`´＇׳](?=\p{L})")
_TURKISH_I = str.maketrans({"I": "ı", "İ": "i"})
_TURKIC = frozenset({"tr", "az"})
# Format characters, and what most writers of an abjad leave out: vowel points, the stretcher.
_IGNORED = regex.compile(
    r"[\p{Cf}\uFE00-\uFE0F\u064B-\u0652\u0670\u0640\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7]"
)
_DIGIT = regex.compile(r"\p{Nd}")
# All but letters, marks and digits; apostrophes stay inside words, points inside numbers.
_PUNCTUATION = regex.compile(
    r"(?!(?<=[\p{L}\p{M}])'(?=\p{L})|(?<=\p{Nd})[.,](?=\p{Nd}))[^\p{L}\p{M}\p{N}]+"
)
_ORPHAN_MARK = regex.compile(r"(?<![\p{L}\p{M}\p{N}])\p{M}+")


def normalise(text: str, language: str) -> str:
    """The form in which two texts are compared: what is heard alike is spelled alike.

    NFKC, case folded (the Turkish dotless i kept apart), decimal digits of any script as ASCII,
    punctuation and symbols to single spaces. Combining marks stay, for Indic scripts are nothing
    without them; only the optional vowel points of Arabic and Hebrew go. Number words, spelling
    variants and abbreviations are left as they are.

    >>> normalise("L’été, à 10 h\u00a030 !", "fr")
    "l'été à 10 h 30"
    """
    text = unicodedata.normalize("NFKC", _APOSTROPHE.sub("'", text))
    if base_language(language) in _TURKIC:
        text = text.translate(_TURKISH_I)
    text = unicodedata.normalize("NFKC", text.casefold()).replace("i\u0307", "i")
    text = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), _IGNORED.sub("", text))
    return " ".join(_ORPHAN_MARK.sub("", _PUNCTUATION.sub(" ", text)).split())


def words(text: str) -> list[str]:
    """The words of a normalised text; in unspaced scripts each character is one.

    So the units of mixed text are those of the mixed error rate used for code-switched speech.

    >>> words("die nasa 在1958年成立")
    ['die', 'nasa', '在', '1958', '年', '成', '立']
    """
    return _WORD.findall(text)


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether the words of one normalised text stand in another, in order and side by side.

    >>> contains_phrase("a party of four", "art"), contains_phrase("他在北京工作", "北京")
    (False, True)
    """
    return phrase != "" and delimit_words(phrase) in delimit_words(text)


def delimit_words(text: str) -> str:
    """A normalised text with a space on each side of each word: to find many phrases in it."""
    return "".join(f" {word} " for word in words(text))


def characters(text: str) -> list[str]:
    """The grapheme clusters of a text without its white space: a mark stays with its base.

    >>> characters("नमस्ते जी")
    ['न', 'म', 'स्ते', 'जी']
    """
    return _CHARACTER.findall(text)


def is_unspaced_text(text: str) -> bool:
    """Whether most words of a normalised text are characters of scripts without spaces."""
    units = words(text)
    return 2 * sum(bool(_UNSPACED_LETTER.match(unit)) for unit in units) > len(units)


def script_share(text: str, language: str) -> float | None:
    """Share of the words of a text, 0..1, that begin in a script of the language.

    None when there is nothing to judge: no letters, or the language's scripts are not known.
    Words are counted, not letters, or one Latin name would outweigh a Chinese sentence.
    """
    scripts = scripts_of(language)
    lettered = [word for word in words(normalise(text, language)) if any(map(str.isalpha, word))]
    if not scripts or not lettered:
        return None
    pattern = _script_pattern(scripts)
    return sum(bool(pattern.match(word)) for word in lettered) / len(lettered)


@lru_cache
def _script_pattern(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    """Matches a word whose first letter is of the scripts (or of none: the kana sound mark)."""
    own = "".join(rf"\p{{Script={script}}}" for script in scripts)
    return regex.compile(rf"\P{{L}}*[{own}\p{{Script=Common}}]")
