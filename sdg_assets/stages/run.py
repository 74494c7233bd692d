"""A stage under way: what it may use, what it gives back, and how that is stored.

Nothing here knows how Dagster calls a stage: that is ``stage.py``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import ConfigDict, Field

from sdg_assets.corpora.base import Reject
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import Partition
from sdg_assets.errors import UserError
from sdg_assets.progress import Report
from sdg_assets.remedies import find_remedy
from sdg_assets.settings import Profile, shipped_profiles
from sdg_assets.stages.usage import EngineUse
from sdg_assets.storage.lake import Replacement
from sdg_assets.storage.tables import TABLES, identity_column
from sdg_assets.workspace import Workspace

CODE_VERSION = version("sdg")
DEFAULT = "default"  # in the launchpad: what the settings or the profile say


class MissingInputError(UserError):
    """What a stage reads has not been materialised for this partition."""


class StageConfig(dg.Config):
    """What every stage's launchpad offers.

    Dagster scaffolds no field whose default is None, so "as it is" is written 0, [] or `default`.
    """

    model_config = ConfigDict(extra="forbid")

    profile: str = Field(
        default=DEFAULT,
        description="Engines, prompts, limits and training settings for this run: the name of a "
        f"shipped profile ({', '.join(shipped_profiles())}) or the whole path of a YAML file. "
        "default: the one that sdg.yaml names (tiny where it names none).",
    )


def choose(configured: str, otherwise: str) -> str:
    return otherwise if configured == DEFAULT else configured


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage made. ``rows`` lack the partition columns: they are added on writing."""

    rows: Sequence[Mapping[str, Any]]
    rejects: Sequence[Reject] = ()
    rows_in: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of one partition, under way."""

    stage: str
    corpus: CorpusConfig
    language: str
    workspace: Workspace
    version: int  # of the lake: all inputs are read as they were then
    profile: Profile
    run_id: str
    report: Report
    launch: Callable[[Sequence[str]], None]  # a command in a process of its own; raises if it fails
    engines: list[EngineUse] = field(default_factory=list)  # what each one did so far

    @property
    def partition(self) -> Partition:
        return Partition(self.corpus.name, self.language)

    @property
    def where(self) -> dict[str, str]:
        return self.partition.where

    def read(
        self, table: str, columns: Sequence[str] | None = None, partition: Partition | None = None
    ) -> list[dict[str, Any]]:
        """Rows of an upstream table, in a fixed order; of this partition unless one is named.

        Raises:
            MissingInputError: that stage was never materialised for the partition.
        """
        self.require(table, partition)
        return self.workspace.lake.read(
            table,
            where=(partition or self.partition).where,
            columns=columns,
            version=self.version,
            order_by=[identity_column(table)],
        ).to_pylist()

    def hours_of(self, utterances: Iterable[str]) -> float:
        """Hours of audio of these utterances, each counted once."""
        rows = self.read("raw_audio", ["utterance_id", "duration"])
        durations = {row["utterance_id"]: row["duration"] for row in rows}
        return sum(durations.get(utterance, 0.0) for utterance in set(utterances)) / 3600

    def require(self, upstream: str, partition: Partition | None = None) -> None:
        """
        Raises:
            MissingInputError: that stage was never materialised for the partition.
        """
        if not self.materialised(upstream, partition):
            raise MissingInputError(
                f"{upstream} of {partition or self.partition} is not there yet: "
                f"materialise {upstream} for this partition first, then {self.stage} again"
            )

    def materialised(self, stage: str, partition: Partition | None = None) -> bool:
        found = self.workspace.lake.read(
            "materializations",
            where={**(partition or self.partition).where, "stage": stage},
            columns=["stage"],
            version=self.version,
        )
        return found.num_rows > 0


def commit(
    run: StageRun, config: StageConfig, result: StageResult, seconds: float
) -> tuple[pa.Table, int]:
    """Replace the partition's rows, its quarantine and its record, all in one transaction.

    Returns:
        The rows as stored, and the version of the lake that holds them.
    """
    table = _table(run.stage, [{**run.where, **row} for row in result.rows])
    this_stage = {**run.where, "stage": run.stage}
    quarantine = [
        {
            **this_stage,
            "item_id": reject.item_id,
            "reason": reject.reason,
            "detail": f"{reject.detail}; {find_remedy(run.stage, reject.reason)}",
            "source_path": reject.source_path,
        }
        for reject in result.rejects
    ]
    record = {
        **this_stage,
        "rows": table.num_rows,
        "seconds": seconds,
        "configuration": json.dumps(config.model_dump(), sort_keys=True, default=str),
        "code_version": CODE_VERSION,
        "run_id": run.run_id,
        "read_version": run.version,
        "finished_at": datetime.now(UTC),
    }
    snapshot = run.workspace.lake.replace(
        Replacement(run.stage, table, run.where),
        Replacement("quarantine", _table("quarantine", quarantine), this_stage),
        Replacement("materializations", _table("materializations", [record]), this_stage),
    )
    return table, snapshot


def content_hash(table: pa.Table) -> str:
    """The same for the same rows in the same order."""
    digest = hashlib.sha256()
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()[:16]


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])
