"""Names of corpora, languages and partitions.

Dagster does not validate dynamic partition keys (a ``|`` makes a partition vanish from the grid,
a comma breaks backfills), so whatever becomes a key is validated here first.
"""

import re
from dataclasses import dataclass

from sdg_assets.errors import UserError

CORPUS_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
ALL_LANGUAGES = "mul"  # BCP-47 for "multiple languages": a mixture of all that its members have


class PartitionKeyError(UserError, ValueError):
    """A key that Dagster would take and then lose."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One corpus in one language."""

    corpus: str
    language: str

    def __str__(self) -> str:
        return f"{self.corpus}|{self.language}"

    @property
    def where(self) -> dict[str, str]:
        """What its rows in a table agree with."""
        return {"corpus": self.corpus, "language": self.language}


def parse_partition(key: str) -> Partition:
    """The partition of a key such as ``librispeech|en``.

    Raises:
        PartitionKeyError: it is not two valid names.
    """
    corpus, bar, language = key.partition("|")
    if not bar:
        raise PartitionKeyError(
            f"{key!r} is not a partition: write CORPUS|LANGUAGE, "
            "or CORPUS/LANGUAGE on a command line"
        )
    return check_partition(Partition(corpus, language))


def parse_argument(key: str) -> Partition:
    """The partition of what one writes in a shell, where ``|`` means something else:
    ``librispeech/en``.

    Raises:
        PartitionKeyError: it is not two valid names.
    """
    return parse_partition(key.replace("/", "|", 1))


def check_partition(partition: Partition) -> Partition:
    check_corpus_name(partition.corpus)
    check_language_tag(partition.language)
    return partition


def check_corpus_name(name: str) -> str:
    if not CORPUS_NAME.fullmatch(name):
        raise PartitionKeyError(
            f"{name!r} is not a corpus name: use a-z, 0-9, _ and -, "
            "beginning with a letter or a digit"
        )
    return name


def check_language_tag(tag: str) -> str:
    if not LANGUAGE_TAG.fullmatch(tag):
        raise PartitionKeyError(
            f"{tag!r} is not a language: use a BCP-47 tag in lower case (en, de, pt-br)"
        )
    return tag
