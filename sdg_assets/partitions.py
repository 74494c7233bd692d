"""The one grid: corpus × language. Every asset has it, and maps to its neighbours by identity.

Dagster does not validate dynamic keys (a ``|`` makes a partition vanish, a comma breaks
backfills), so keys are validated here before they are added.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

CORPUS_DIMENSION = "corpus"
LANGUAGE_DIMENSION = "language"
CORPUS_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*")
LANGUAGE_KEY = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")

corpora = dg.DynamicPartitionsDefinition(name="corpus")
languages = dg.DynamicPartitionsDefinition(name="language")
grid = dg.MultiPartitionsDefinition({CORPUS_DIMENSION: corpora, LANGUAGE_DIMENSION: languages})


class PartitionKeyError(ValueError):
    """A key that Dagster would take and then lose."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    corpus: str
    language: str

    @property
    def key(self) -> dg.MultiPartitionKey:
        return dg.MultiPartitionKey(
            {CORPUS_DIMENSION: self.corpus, LANGUAGE_DIMENSION: self.language}
        )

    def __str__(self) -> str:
        return f"{self.corpus}|{self.language}"


def parse_key(key: str) -> Partition:
    """The partition of a Dagster key such as ``librispeech|en``.

    Raises:
        PartitionKeyError: it is not two valid keys.
    """
    corpus, bar, language = key.partition("|")
    if not bar:
        raise PartitionKeyError(f"{key!r} is not a partition: write CORPUS|LANGUAGE")
    return validate(Partition(corpus, language))


def validate(partition: Partition) -> Partition:
    if not CORPUS_KEY.fullmatch(partition.corpus):
        raise PartitionKeyError(
            f"{partition.corpus!r} is not a corpus name: use a-z, 0-9, _ and -, "
            "beginning with a letter or a digit"
        )
    if not LANGUAGE_KEY.fullmatch(partition.language):
        raise PartitionKeyError(
            f"{partition.language!r} is not a language: use a BCP-47 tag in lower case "
            "(en, de, pt-br)"
        )
    return partition


def missing_keys(
    partitions: Iterable[Partition], instance: dg.DagsterInstance
) -> tuple[list[str], list[str]]:
    """The corpus and language keys of ``partitions`` that ``instance`` does not have yet."""
    wanted = [validate(partition) for partition in partitions]
    known_corpora = set(instance.get_dynamic_partitions("corpus"))
    known_languages = set(instance.get_dynamic_partitions("language"))
    return (
        sorted({p.corpus for p in wanted} - known_corpora),
        sorted({p.language for p in wanted} - known_languages),
    )


def add_partitions(partitions: Iterable[Partition], instance: dg.DagsterInstance) -> None:
    new_corpora, new_languages = missing_keys(partitions, instance)
    instance.add_dynamic_partitions("corpus", new_corpora)
    instance.add_dynamic_partitions("language", new_languages)
