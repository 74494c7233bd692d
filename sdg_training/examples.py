"""Training examples as rows of a table on disk, which is never in memory as a whole.

What cannot be used becomes a :class:`Skip` with its reason, and the rest goes on.
"""

import errno
import hashlib
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from numpy.typing import NDArray

MIN_SECONDS = 0.1  # shorter audio gives a feature extractor too few frames to normalise
_CHUNK = 4096  # rows that are read at once
_NAMED_SKIPS = 1000  # of each reason
_NO_DETAIL = "as others that are named with their details"
Key = tuple[str, str, str]  # Example.key


class ExamplesError(ValueError):
    """The table cannot be used at all: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a recording, which is ``byte_length`` bytes of FLAC in ``shard``.

    Where nothing is asked, question and answer are empty: then what the recording says is all there
    is to learn, and the example serves the task ``asr`` alone.
    """

    example_id: str
    method: str
    source_corpus: str
    source_language: str
    speaker: str | None
    context: str | None  # what the recording says, where that is known
    question: str
    answer: str
    shard: str
    byte_offset: int
    byte_length: int
    duration: float  # seconds

    @property
    def key(self) -> Key:
        """Unlike ``example_id``, unique where several corpora and languages are united."""
        return (self.source_corpus, self.source_language, self.example_id)

    @property
    def recording(self) -> tuple[str, int]:
        """The same for all questions about one recording."""
        return (self.shard, self.byte_offset)


COLUMNS = tuple(field.name for field in fields(Example))
_ASKED = ("question", "answer")
# What stands for a null; of the other columns a null is itself.
_ABSENT: dict[str, Any] = {
    **dict.fromkeys(("example_id", "source_corpus", "source_language", "shard", *_ASKED), ""),
    "byte_offset": -1,
    "byte_length": 0,
    "duration": math.nan,
}


@dataclass(frozen=True, slots=True)
class Skip:
    """Why an example was not used."""

    example: Example
    reason: str  # a short stable code: "empty_answer", "unreadable_audio"
    detail: str  # a sentence for a person

    @property
    def example_id(self) -> str:
        return self.example.example_id


class SkipLog:
    """Skipped examples, each once, however many epochs it was met in.

    In memory are the names and the reason of each, and the details of the first of each reason.
    """

    def __init__(self, skips: Iterable[Skip] = ()) -> None:
        self._reasons: dict[Key, str] = {}
        self._details: dict[Key, str] = {}
        self._counts: Counter[str] = Counter()
        self.add(skips)

    def __len__(self) -> int:
        return len(self._reasons)

    def __contains__(self, example: Example) -> bool:
        return example.key in self._reasons

    @property
    def examples(self) -> list[Skip]:
        """Of each example its names alone, and why it was skipped."""
        return [
            Skip(_name_example(key), reason, self._details.get(key, _NO_DETAIL))
            for key, reason in self._reasons.items()
        ]

    def add(self, skips: Iterable[Skip]) -> None:
        for skip in skips:
            self._add(skip.example.key, skip.reason, skip.detail)

    def merge(self, other: "SkipLog") -> None:
        """Adds what another process skipped."""
        for key, reason in other._reasons.items():
            self._add(key, reason, other._details.get(key, _NO_DETAIL))

    def dump(self) -> dict[str, Any]:
        """All of it, for JSON."""
        reasons: dict[str, list[Key]] = {reason: [] for reason in self._counts}
        for key, reason in self._reasons.items():
            reasons[reason].append(key)
        return {"keys": reasons, "details": [[key, text] for key, text in self._details.items()]}

    @classmethod
    def restore(cls, dumped: Mapping[str, Any]) -> "SkipLog":
        """What :meth:`dump` made."""
        log = cls()
        details = {_intern(key): detail for key, detail in dumped["details"]}
        for reason, keys in dumped["keys"].items():
            for key in map(_intern, keys):
                log._add(key, reason, details.get(key, _NO_DETAIL))
        return log

    def count(self) -> dict[str, int]:
        """Examples by reason, the most frequent first."""
        return dict(self._counts.most_common())

    def name(self) -> dict[str, str]:
        """Why each was skipped, by corpus/language/id; of very many the first only."""
        named = islice(self._reasons.items(), _NAMED_SKIPS)
        return {"/".join(map(str, key)): reason for key, reason in named}

    def describe(self) -> list[str]:
        """One line per reason, with an example of it."""
        first: dict[str, Key] = {}
        for key in self._details:
            first.setdefault(self._reasons[key], key)
        return [
            f"skipped {count} ({reason}), for one {first[reason][-1]}: "
            f"{self._details[first[reason]]}"
            for reason, count in self.count().items()
        ]

    def _add(self, key: Key, reason: str, detail: str) -> None:
        if key in self._reasons:
            return
        key, reason = _intern(key), sys.intern(reason)
        self._reasons[key] = reason
        self._counts[reason] += 1
        if self._counts[reason] <= _NAMED_SKIPS:
            self._details[key] = detail


def _intern(key: Sequence[str]) -> Key:
    """One text in memory for each corpus and language."""
    corpus, language, example_id = key
    return sys.intern(corpus), sys.intern(language), example_id


def _name_example(key: Key) -> Example:
    """An example of which no more than its names is known."""
    corpus, language, example_id = key
    return Example(example_id, "", corpus, language, None, None, "", "", "", 0, 0, 0.0)


class Examples:
    """Rows of a table, read as they are asked for; the table is memory-mapped.

    In memory are eight bytes for each row, the seconds of its recording.
    """

    def __init__(
        self, batches: Sequence[pa.RecordBatch], rows: NDArray[np.int64] | None = None
    ) -> None:
        self._batches = batches
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        total = int(self._ends[-1]) if len(batches) else 0
        self._rows = np.arange(total) if rows is None else rows
        self.durations: NDArray[np.float64] = self._column("duration", np.float64)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Example:
        return self.get([index])[0]

    def __iter__(self) -> Iterator[Example]:
        for start in range(0, len(self), _CHUNK):
            yield from self.get(range(start, min(start + _CHUNK, len(self))))

    def get(self, indices: Iterable[int]) -> list[Example]:
        """The examples at ``indices``, in that order."""
        wanted = self._rows[np.fromiter(indices, np.int64)]
        found: list[Example | None] = [None] * len(wanted)
        places = np.searchsorted(self._ends, wanted, side="right")
        for place in np.unique(places):
            batch = self._batches[place]
            positions = np.flatnonzero(places == place)
            start = self._ends[place] - batch.num_rows
            rows = batch.take(pa.array(wanted[positions] - start)).to_pylist()
            for position, row in zip(positions, rows, strict=True):
                absent = {name: _ABSENT.get(name) for name, value in row.items() if value is None}
                found[position] = Example(**(row | absent))
        return [example for example in found if example is not None]

    def select(self, indices: NDArray[np.int64]) -> "Examples":
        """Some of the rows, in the order of ``indices``."""
        return Examples(self._batches, self._rows[indices])

    def find_questions(self) -> NDArray[np.int64]:
        """The indices of the rows that ask something, in order."""
        parts = [
            pc.greater(pc.fill_null(pc.utf8_length(b["question"]), 0), 0) for b in self._batches
        ]
        asking = [part.to_numpy(zero_copy_only=False) for part in parts]
        return np.flatnonzero(np.concatenate([*asking, np.zeros(0, bool)])[self._rows])

    def find_recordings(self) -> NDArray[np.int64]:
        """The index of the first row about each recording, in order."""
        shards: dict[str, int] = {}
        numbers = [
            np.fromiter(
                (shards.setdefault(name, len(shards)) for name in batch["shard"].to_pylist()),
                np.int64,
                batch.num_rows,
            )
            for batch in self._batches
        ]
        shard = np.concatenate(numbers)[self._rows] if numbers else np.zeros(0, np.int64)
        keys = np.stack([shard, self._column("byte_offset", np.int64)])
        return np.sort(np.unique(keys, axis=1, return_index=True)[1])

    @cached_property
    def digest(self) -> str:
        """Of all that the rows say, and of which rows they are."""
        digests = {name: hashlib.sha256() for name in COLUMNS}
        for batch in self._batches:
            for name, digest in digests.items():
                digest.update("".join(f"{value!r}," for value in batch[name].to_pylist()).encode())
        rows = hashlib.sha256(self._rows.tobytes()).hexdigest()
        whole = " ".join([rows, *(digest.hexdigest() for digest in digests.values())])
        return hashlib.sha256(whole.encode()).hexdigest()

    def _column(self, name: str, dtype: type[np.generic]) -> NDArray:
        kind = pa.from_numpy_dtype(dtype)
        parts = [
            pc.fill_null(batch[name].cast(kind), _ABSENT[name]).to_numpy(zero_copy_only=False)
            for batch in self._batches
        ]
        return np.concatenate([*parts, np.zeros(0, dtype)])[self._rows]


def compose(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """How many are of each method, corpus, language and speaker, the most first."""
    columns = {
        "method": "method",
        "corpus": "source_corpus",
        "language": "source_language",
        "speaker": "speaker",
    }
    counts: dict[str, Counter[str]] = {name: Counter() for name in columns}
    for example in examples:
        for name, column in columns.items():
            counts[name][str(getattr(example, column))] += 1
    return {name: dict(counter.most_common()) for name, counter in counts.items()}


def open_examples(source: str | pa.Table) -> Examples:
    """A table, or the Parquet or Arrow file (or folder of Parquet files) that it is in.

    What is not an Arrow file already is copied into a temporary one, a few thousand rows at a time.

    Raises:
        ExamplesError: there is no such table, or it lacks a column.
    """
    if isinstance(source, pa.Table):
        _check_columns(source.schema, "the table of examples")
        return Examples(source.select(COLUMNS).to_batches())
    try:
        is_arrow = source.endswith((".arrow", ".feather"))
        dataset = pyarrow.dataset.dataset(source, format="ipc" if is_arrow else "parquet")
        _check_columns(dataset.schema, source)
        return Examples(_map(dataset))
    except (OSError, pa.ArrowInvalid) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG):
            raise ExamplesError(
                f"{source} cannot be copied to {tempfile.gettempdir()}: {error}; make room there, "
                "or name another folder by the variable TMPDIR"
            ) from error
        raise ExamplesError(f"{source} cannot be read as a table of examples: {error}") from error


def _check_columns(schema: pa.Schema, name: str) -> None:
    if missing := set(COLUMNS) - set(schema.names):
        raise ExamplesError(
            f"{name} lacks the columns {', '.join(sorted(missing))}; "
            f"it needs {', '.join(COLUMNS)}, as the asset training_examples has them"
        )


def _map(dataset: pyarrow.dataset.Dataset) -> list[pa.RecordBatch]:
    """The dataset's columns of ours, memory-mapped from a file that has no name any more."""
    handle, path = tempfile.mkstemp(prefix="sdg-examples-", suffix=".arrow")
    os.close(handle)
    try:
        schema = pa.schema([dataset.schema.field(name) for name in COLUMNS])
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in dataset.to_batches(
                columns=list(COLUMNS), batch_size=_CHUNK, batch_readahead=1, fragment_readahead=1
            ):
                if batch.num_rows:
                    writer.write_batch(batch)
        with pa.ipc.open_file(pa.memory_map(path)) as reader:
            return [reader.get_batch(number) for number in range(reader.num_record_batches)]
    finally:
        os.unlink(path)  # the mapping outlives the name


def find_fault(
    example: Example, audio_token: str, max_seconds: float, *, words_serve: bool
) -> Skip | None:
    """What in the row alone makes an example unfit.

    Args:
        words_serve: an example that asks nothing is of use, if it is known what it says.
    """
    if not example.question and not example.answer and has_context(example):
        if not words_serve:
            detail = "nothing is asked: it is of use where recipe.tasks.asr is above 0"
            return Skip(example, "no_question", detail)
    else:
        for name in _ASKED:
            if not getattr(example, name).strip():
                return Skip(example, f"empty_{name}", f"the {name} is empty")
    if absent := _find_absent(example):
        detail = f"the column {absent} holds no usable value: {getattr(example, absent)!r}"
        return Skip(example, "missing_value", detail)
    for name in (*_ASKED, "context"):
        if audio_token in (getattr(example, name) or ""):
            detail = f"the {name} holds the audio placeholder {audio_token}"
            return Skip(example, "placeholder_in_text", detail)
    if example.duration < MIN_SECONDS:
        detail = f"{example.duration:.2f} s of audio, less than {MIN_SECONDS:g} s"
        return Skip(example, "audio_too_short", detail)
    if example.duration > max_seconds:
        detail = f"{example.duration:.1f} s of audio, over the limit of {max_seconds:g} s"
        return Skip(example, "audio_too_long", detail)
    return None


def _find_absent(example: Example) -> str | None:
    """The column without which the example cannot be told, or its recording read."""
    usable = {
        "example_id": bool(example.example_id.strip()),
        "shard": bool(example.shard),
        "byte_offset": example.byte_offset >= 0,
        "byte_length": example.byte_length > 0,
        "duration": math.isfinite(example.duration),
    }
    return next((name for name, holds in usable.items() if not holds), None)


def has_context(example: Example) -> bool:
    """Whether it is known what the recording says."""
    return bool(example.context and example.context.strip())


def select_usable(
    examples: Examples,
    audio_token: str,
    max_seconds: float,
    skips: SkipLog,
    *,
    words_serve: bool = False,
) -> Examples:
    """The rows without a fault of their own (:func:`find_fault`); the others are counted.

    Raises:
        ExamplesError: no row is left.
    """
    kept = np.ones(len(examples), bool)
    met: set[int] = set()  # hashes of the rows' names: of a million rows 65 MB, for a moment
    for row, example in enumerate(examples):
        fault = find_fault(example, audio_token, max_seconds, words_serve=words_serve)
        name = hash(example.key)
        is_repeated = name in met
        if fault is None and is_repeated:
            detail = f"an earlier row has the id {'/'.join(example.key)} as well"
            fault = Skip(example, "repeated_id", detail)
        if fault is not None:
            is_named = example.example_id.strip() and not is_repeated
            skips.add([fault if is_named else _name_by_row(fault, row)])
            kept[row] = False
        met.add(name)
    return _require_rows(examples if kept.all() else examples.select(np.flatnonzero(kept)), skips)


def _name_by_row(fault: Skip, row: int) -> Skip:
    """So that nothing else is skipped which has the same id, or has none."""
    named = replace(fault.example, example_id=f"{fault.example_id}#{row}")
    return replace(fault, example=named)


def select_unskipped(examples: Examples, skips: SkipLog) -> Examples:
    """The rows that no fault was met in.

    Raises:
        ExamplesError: no row is left.
    """
    if len(skips):
        kept = np.fromiter((example not in skips for example in examples), bool, len(examples))
        examples = examples.select(np.flatnonzero(kept))
    return _require_rows(examples, skips)


def _require_rows(examples: Examples, skips: SkipLog) -> Examples:
    if len(examples) == 0:
        reasons = "; ".join(skips.describe()) or "the table has no rows"
        raise ExamplesError(f"there is no example to use: {reasons}")
    return examples
