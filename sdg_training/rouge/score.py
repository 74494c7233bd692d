"""ROUGE-L of one text against its references (Lin, 2004, section 3), in any script.

On ASCII text with a letter or a digit the values are those of Google's ``rouge_score`` without its
stemmer. Its tokenizer keeps nothing but ``a-z0-9``, so that identical Chinese, Hindi or Arabic
texts score 0, and so do "+" and "+"; ours is for any script, and where it leaves nothing of a text,
the text itself counts: that is then the whole of an answer.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from rapidfuzz.distance import LCSseq

Tokenizer = Callable[[str], list[str]]

# Scripts written without spaces between words (UAX #14, class SA, and those of East Asia).
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x3005, 0x3007),  # the ideographic iteration mark, closing mark and zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo and Katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0xA4CF),  # Han, Yi
    (0xA9E0, 0xA9FF),  # Myanmar extension B
    (0xAA60, 0xAADF),  # Myanmar extension A, Tai Viet
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x1B000, 0x1B16F),  # Kana supplements
    (0x20000, 0x3FFFF),  # Han, extensions B and later
)
_ZERO_WIDTH_SPACE = "\u200b"
# One letter of an unspaced script with its marks, or one word with its marks.
_TOKEN = re.compile(r"um*|[wm]+")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class RougeScore:
    """Shares of the longest common subsequence, each 0..1."""

    precision: float
    recall: float
    fmeasure: float


def rouge_l(
    prediction: str, references: str | Sequence[str], tokenizer: Tokenizer | None = None
) -> RougeScore:
    """ROUGE-L of ``prediction``; of several references the one with the best f-measure counts.

    A blank text scores 0, whatever it is compared with.

    Args:
        tokenizer: :func:`tokenize_or_keep` where none is given; put a stemmer here.

    Raises:
        ValueError: there is no reference.

    >>> rouge_l("the cat sat", "the cat sat down")
    RougeScore(precision=1.0, recall=0.75, fmeasure=0.8571428571428571)
    """
    references = [references] if isinstance(references, str) else references
    if not references:
        raise ValueError("ROUGE-L needs at least one reference text, but the list is empty")
    split = tokenizer or tokenize_or_keep
    tokens = split(prediction)
    scores = [_score_tokens(tokens, split(reference)) for reference in references]
    return max(scores, key=lambda score: score.fmeasure)


def tokenize_or_keep(text: str) -> list[str]:
    """Its tokens; of a text without a letter or a digit the whole, unless it is blank.

    >>> tokenize_or_keep("5 €"), tokenize_or_keep(" € "), tokenize_or_keep(" ")
    (['5'], ['€'], [])
    """
    kept = unicodedata.normalize("NFKC", text).strip()
    return tokenize(text) or ([kept] if kept else [])


def tokenize(text: str) -> list[str]:
    """Case-folded words, without punctuation; scripts without spaces split into characters.

    Combining marks stay with their letter, and joiners inside words (Persian, Hindi) vanish, so
    that the composed and the decomposed form of a text have the same tokens.

    >>> tokenize("Das ist Zürich, 北京 und दिल्ली!")
    ['das', 'ist', 'zürich', '北', '京', 'und', 'दिल्ली']
    """
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    text = unicodedata.normalize("NFKC", text).casefold()
    text = "".join(char for char in text if _classify(char) != "ignored")
    shape = "".join(_classify(char)[0] for char in text)
    return [text[match.start() : match.end()] for match in _TOKEN.finditer(shape)]


@cache
def _classify(char: str) -> Literal["ignored", "mark", "unspaced", "word", "separator"]:
    category = unicodedata.category(char)
    if category == "Cf" and char != _ZERO_WIDTH_SPACE:
        return "ignored"
    if category[0] == "M":
        return "mark"
    if category[0] not in "LN":
        return "separator"
    if category != "Nd" and any(low <= ord(char) <= high for low, high in _UNSPACED_BLOCKS):
        return "unspaced"
    return "word"


def _score_tokens(prediction: list[str], reference: list[str]) -> RougeScore:
    common = LCSseq.similarity(prediction, reference)
    if common == 0:
        return RougeScore(0.0, 0.0, 0.0)
    precision = common / len(prediction)
    recall = common / len(reference)
    return RougeScore(precision, recall, 2 * precision * recall / (precision + recall))
