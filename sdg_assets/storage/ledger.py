"""The call ledger: every call of a model, recorded once, in the table ``model_calls``.

A stage says which calls it needs; the ledger makes those that were never answered and remembers
the answers. This one mechanism gives resume after a crash, incremental runs, reuse where only
post-processing changed, and the report of cost and throughput.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from sdg_assets.errors import UserError
from sdg_assets.progress import Progress, Report, counting
from sdg_assets.storage.lake import Lake, Where, build_condition
from sdg_assets.storage.tables import TABLES

_SUMS = ("input_tokens", "output_tokens", "audio_seconds", "cost")
_COMPACT_EVERY = 256  # chunks, each of which leaves a small file


class LedgerError(UserError):
    """A call or its outcome cannot be recorded: says which, and why."""


@dataclass(frozen=True, slots=True)
class Call:
    key: str  # from `call_key`
    request: Mapping[str, Any]  # JSON


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: a response, or the error why there is none."""

    response: Mapping[str, Any] | None  # JSON
    error: str | None = None
    seconds: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    audio_seconds: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who makes the calls, and for which partition."""

    kind: str  # asr | llm | tts
    engine: str
    fingerprint: str  # digest
    parameters: str  # JSON: what the fingerprint is made of
    prompt_version: str
    stage: str
    corpus: str
    language: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the calls that were asked for; the sums are those of the calls made now.

    A sum is None where no call has such a figure.
    """

    reused: int  # answered before
    performed: int = 0  # made now
    failed: int = 0  # of those made now
    seconds: float = 0.0  # of wall time
    input_tokens: int | None = None
    output_tokens: int | None = None
    audio_seconds: float | None = None
    cost: float | None = None

    def add(self, outcomes: Sequence[Outcome], seconds: float) -> "Summary":
        """With the calls of one more chunk, which took ``seconds``."""
        chunk = Summary(
            0,
            len(outcomes),
            sum(outcome.error is not None for outcome in outcomes),
            seconds,
            **{name: _sum([getattr(o, name) for o in outcomes]) for name in _SUMS},
        )
        return self.merge(chunk)

    def merge(self, other: "Summary") -> "Summary":
        return Summary(
            self.reused + other.reused,
            self.performed + other.performed,
            self.failed + other.failed,
            self.seconds + other.seconds,
            **{name: _sum([getattr(self, name), getattr(other, name)]) for name in _SUMS},
        )


Perform = Callable[[Sequence[Call]], Sequence[Outcome]]


def call_key(fingerprint: str, request: Mapping[str, Any], prompt_version: str) -> str:
    """The same for the same engine, prompt version and request, in whatever order its fields are.

    Raises:
        LedgerError: the request is not JSON.
    """
    return hashlib.sha256(_dump([fingerprint, prompt_version, request]).encode()).hexdigest()


class Ledger:
    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def ask(
        self,
        calls: Sequence[Call],
        perform: Perform,
        *,
        origin: Origin,
        chunk: int = 64,
        report: Report | None = None,
    ) -> Summary:
        """Make the calls that have no recorded response, ``chunk`` at a time.

        What they were answered is read by :meth:`outcomes`. Equal keys are one call. Each chunk is
        recorded as soon as it is made, failures too, so a crash costs at most one. Calls that were
        never made come first, in order: as chunks are recorded whole, a resumed run has the same
        chunks as an undisturbed one. Calls that failed in earlier runs come last.

        Args:
            perform: one outcome per call, in order. If it raises, that error ends the run; the
                chunks before it are recorded.
            report: called before the first chunk, after each, and whenever ``perform`` counts
                calls as done (`progress.count`); counts the calls to make now.

        Raises:
            LedgerError: ``perform`` returned the wrong number of outcomes, or no JSON.
            LakeError: the outcomes could not be recorded.
        """
        fresh, retried = self._find_unanswered([call.key for call in calls])
        chunks = [*_split(fresh, chunk), *_split(retried, chunk)]
        total = len(fresh) + len(retried)
        summary = Summary(reused=len({call.key for call in calls}) - total)
        tell = partial(_tell, report, origin, total, time.monotonic())
        tell(summary)
        for number, positions in enumerate(chunks, start=1):
            batch = [calls[position] for position in positions]
            started = time.monotonic()
            with counting(_Counter(partial(tell, summary), len(batch))):
                outcomes = perform(batch)
            seconds = time.monotonic() - started
            self._lake.append("model_calls", _build_rows(batch, outcomes, origin))
            if number % _COMPACT_EVERY == 0:
                self._lake.compact("model_calls")
            summary = summary.add(outcomes, seconds)
            tell(summary)
        return summary

    def outcomes(self, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
        """The recorded outcome of each key, in order of first mention, a few in memory at a time.

        That is the first response; where there is none, the latest failure. Keys of which nothing
        is recorded are left out.
        """
        for batch in self._lake.stream(_OUTCOMES, tables={"wanted": _number(keys)}):
            for row in batch.to_pylist():
                key, response = row.pop("key"), row.pop("response")
                yield key, Outcome(response and json.loads(response), **row)

    def report(
        self,
        where: Where | None = None,
        by: Sequence[str] = ("stage", "kind", "engine", "corpus", "language"),
    ) -> pa.Table:
        """Attempts, failures, seconds, tokens and cost by columns of ``model_calls``.

        ``where`` limits it to rows of ``model_calls`` (``{"run_id": ...}``).
        """
        condition, values = build_condition(where or {})
        columns = "".join(f"{name}, " for name in by)
        return self._lake.query(_REPORT.format(by=columns, condition=condition), values)

    def _find_unanswered(self, keys: Sequence[str]) -> tuple[list[int], list[int]]:
        """Positions of the keys without a response: never tried, and tried but failed."""
        found = self._lake.query(_UNANSWERED, tables={"wanted": _number(keys)})
        positions, tried = (found.column(name).to_pylist() for name in ("position", "tried"))
        pairs = list(zip(positions, tried, strict=True))
        return [p for p, failed in pairs if not failed], [p for p, failed in pairs if failed]


_UNANSWERED = """
    WITH known AS (
        SELECT key, bool_or(error IS NULL) AS answered
        FROM model_calls SEMI JOIN wanted USING (key)
        GROUP BY key
    )
    SELECT position, answered IS NOT NULL AS tried
    FROM wanted LEFT JOIN known USING (key)
    WHERE answered IS NOT true
    ORDER BY position
"""

_OUTCOMES = """
    SELECT key, response, error, seconds, input_tokens, output_tokens, audio_seconds, cost
    FROM wanted JOIN model_calls USING (key)
    QUALIFY row_number() OVER (
        PARTITION BY key
        ORDER BY error IS NULL DESC,
            CASE WHEN error IS NULL THEN created_at END,
            created_at DESC
    ) = 1
    ORDER BY position
"""

_REPORT = """
    SELECT {by}
        count(*) AS calls,
        count(error) AS failures,
        sum(seconds) AS seconds,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(audio_seconds) AS audio_seconds,
        sum(cost) AS cost
    FROM model_calls
    WHERE {condition}
    GROUP BY ALL
    ORDER BY ALL
"""


def _number(keys: Sequence[str]) -> pa.Table:
    """Each different key with the position of its first mention."""
    first: dict[str, int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    return pa.table(
        {
            "key": pa.array(first.keys(), pa.string()),
            "position": pa.array(first.values(), pa.int64()),
        }
    )


def _split(positions: list[int], size: int) -> list[list[int]]:
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _build_rows(calls: Sequence[Call], outcomes: Sequence[Outcome], origin: Origin) -> pa.Table:
    if len(outcomes) != len(calls):
        raise LedgerError(
            f"{origin.kind} engine {origin.engine} returned {len(outcomes)} outcomes for"
            f" {len(calls)} calls: it must return one for each, in order."
        )
    now = datetime.now(UTC)
    rows = [
        _build_row(call, outcome, origin, now)
        for call, outcome in zip(calls, outcomes, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["model_calls"])


def _build_row(call: Call, outcome: Outcome, origin: Origin, now: datetime) -> dict[str, Any]:
    if (outcome.response is None) == (outcome.error is None):
        raise LedgerError(
            f"The outcome of call {call.key} must have either a response or an error: {outcome}"
        )
    return {
        "key": call.key,
        "kind": origin.kind,
        "engine": origin.engine,
        "fingerprint": origin.fingerprint,
        "parameters": origin.parameters,
        "prompt_version": origin.prompt_version,
        "request": _dump(call.request),
        "response": None if outcome.response is None else _dump(outcome.response),
        "error": None if outcome.error is None else _escape(outcome.error),
        "seconds": outcome.seconds,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "audio_seconds": outcome.audio_seconds,
        "cost": outcome.cost,
        "stage": origin.stage,
        "corpus": origin.corpus,
        "language": origin.language,
        "run_id": origin.run_id,
        "created_at": now,
    }


def _dump(value: Any) -> str:
    """Canonical JSON: one text for equal values."""
    try:
        return _escape(
            json.dumps(
                value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
            )
        )
    except (TypeError, ValueError) as error:
        raise LedgerError(f"This is not JSON ({error}): {value!r:.500}") from error


def _escape(text: str) -> str:
    """Lone surrogates, which models do emit and Parquet refuses, as JSON escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Counter:
    """Tells how many calls of a chunk are done before the whole of it is recorded."""

    def __init__(self, tell: Callable[[int], None], size: int) -> None:
        self._tell = tell
        self._size = size
        self._done = 0

    def __call__(self, done: int) -> None:
        self._done += done
        if self._done < self._size:  # the last one is told when it is recorded
            self._tell(self._done)


def _sum(figures: Sequence[Any]) -> Any:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _tell(
    report: Report | None,
    origin: Origin,
    total: int,
    started: float,
    summary: Summary,
    unrecorded: int = 0,
) -> None:
    if report is None:
        return
    note = f"{summary.reused} reused, {summary.failed} failed"
    seconds = time.monotonic() - started
    label = f"{origin.stage} {origin.engine}"
    report(Progress(label, summary.performed + unrecorded, total, seconds, note))
