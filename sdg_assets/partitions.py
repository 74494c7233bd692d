"""The one grid: corpus × language. Every asset has it, and maps to its neighbours by identity."""

from collections.abc import Iterable

import dagster as dg

from sdg_assets.corpora.keys import Partition, check_partition

corpora = dg.DynamicPartitionsDefinition(name="corpus")
languages = dg.DynamicPartitionsDefinition(name="language")
grid = dg.MultiPartitionsDefinition({"corpus": corpora, "language": languages})


def key_of(partition: Partition) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"corpus": partition.corpus, "language": partition.language})


def missing_keys(
    partitions: Iterable[Partition], instance: dg.DagsterInstance
) -> tuple[list[str], list[str]]:
    """The corpus keys and the language keys that ``instance`` does not have yet.

    Raises:
        PartitionKeyError: one of them cannot be a key.
    """
    wanted = [check_partition(partition) for partition in partitions]
    known_corpora = set(instance.get_dynamic_partitions("corpus"))
    known_languages = set(instance.get_dynamic_partitions("language"))
    return (
        sorted({partition.corpus for partition in wanted} - known_corpora),
        sorted({partition.language for partition in wanted} - known_languages),
    )


def remove_partitions(corpus: str, unspoken: Iterable[str], instance: dg.DagsterInstance) -> None:
    """Take a corpus out of the grid, and the languages that no other one speaks."""
    instance.delete_dynamic_partition("corpus", corpus)
    for language in unspoken:
        instance.delete_dynamic_partition("language", language)


def add_partitions(partitions: Iterable[Partition], instance: dg.DagsterInstance) -> None:
    """Make ``partitions`` part of the grid; those that are there already stay as they are."""
    new_corpora, new_languages = missing_keys(partitions, instance)
    instance.add_dynamic_partitions("corpus", new_corpora)
    instance.add_dynamic_partitions("language", new_languages)
