"""Stable names for utterances, passages and questions."""

import hashlib
import posixpath
import unicodedata
from urllib.parse import quote

_PLAIN = frozenset("-_/")


def utterance_id(relative_path: str) -> str:
    """The path without its suffix, as a safe name.

    >>> utterance_id("1688/1688-142285-0000.flac")
    '1688/1688-142285-0000'
    >>> utterance_id("../audio/Ben & Zoë.wav")
    'audio/Ben%20%26%20Zoë'
    """
    path = posixpath.normpath(relative_path)
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return safe_id(posixpath.splitext("/".join(parts))[0])


def safe_id(name: str) -> str:
    """``name`` with all but letters, digits and ``-_/`` percent-encoded: different names stay so.

    Dots are encoded because WebDataset takes what follows the first one for a file type. Names
    that differ only in Unicode normalisation (NFC, NFD) are one name.
    """
    return "".join(map(_encode, unicodedata.normalize("NFC", name)))


def passage_id(text: str) -> str:
    """The same for texts that differ only in case, white space or Unicode form."""
    text = text.replace("\ufeff", "")
    return _digest(" ".join(unicodedata.normalize("NFKC", text).casefold().split()))


def question_id(passage: str, question: str) -> str:
    """For a question that brings no id of its own."""
    return f"{passage}-{_digest(question)[:8]}"


def _encode(char: str) -> str:
    if char == ".":
        return "%2E"
    if char in _PLAIN or unicodedata.category(char)[0] in "LMN":
        return char
    return quote(char, safe="", errors="surrogatepass")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:16]
