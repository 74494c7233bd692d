"""When newer data asks for a stage: the automation condition of every stage that has one."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import parse_partition
from sdg_assets.workspace import open_workspace


class Applies(dg.AutomationCondition[Any]):
    """The cells of the grid that a stage has: its corpus's kind has it, in that language.

    Dagster takes the grid for full; which of its cells exist only the registered corpora tell.
    """

    def __init__(self, applies: Callable[[CorpusConfig, str], bool]):
        self._applies = applies

    @property
    def description(self) -> str:
        return "the corpus is registered, speaks the language, and its kind has this stage"

    @property
    def requires_cursor(self) -> bool:
        return False

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        candidates = context.candidate_subset
        registry = open_workspace().corpora
        known = set(registry.names())
        keys = set()
        for key in candidates.expensively_compute_partition_keys():
            partition = parse_partition(key)
            if partition.corpus in known and self._applies(
                registry.get(partition.corpus), partition.language
            ):
                keys.add(key)
        return dg.AutomationResult(
            context, true_subset=candidates.compute_intersection_with_partition_keys(keys)
        )


def flow_into(applies: Callable[[CorpusConfig, str], bool]) -> dg.AutomationCondition[Any]:
    """`eager`, for a grid most of whose cells do not exist.

    A cell is asked for when what is above it was updated by a run without it, once, and when it is
    a cell at all. Unlike with `eager`, a cell that merely appears in the grid asks for nothing,
    and of alternative inputs one may be missing.
    """
    newer: dg.AutomationCondition[Any] = dg.AutomationCondition.any_deps_updated() & Applies(
        applies
    )
    return (
        newer.since_last_handled()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("newer data flows in")
