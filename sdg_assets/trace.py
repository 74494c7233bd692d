"""One sample's whole descent: from the source file to the scores it got."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdg_assets.corpora.keys import Partition
from sdg_assets.errors import UserError
from sdg_assets.storage.lake import Lake

Row = dict[str, Any]

# Where an id may be found, most derived first, and the column that holds it.
_PLACES = (
    ("training_examples", "example_id"),
    ("filtered_qa", "qa_id"),
    ("generated_qa", "qa_id"),
    ("text_qa", "qa_id"),
    ("raw_audio", "utterance_id"),
    ("synthesized_speech", "passage_id"),
    ("text_qa", "passage_id"),
)


class TraceError(UserError):
    """No sample, or several, of that id: says what to write instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage did to the sample."""

    stage: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """The ids under which a sample is known in its own partition."""

    partition: Partition
    utterance_id: str | None
    passage_id: str | None
    qa_id: str | None
    example_id: str | None


def trace(lake: Lake, identifier: str) -> list[Step]:
    """The steps of the sample, source first.

    ``identifier`` is an example, question, utterance or passage id, alone or as
    ``corpus/language/id``.

    Raises:
        TraceError: nothing, or more than one sample, has that id.
    """
    sample = find_sample(lake, identifier)
    where = {"corpus": sample.partition.corpus, "language": sample.partition.language}
    steps = [*_source_steps(lake, where, sample), *_question_steps(lake, where, sample)]
    if sample.example_id is not None:
        steps += _example_steps(lake, sample)
    return steps


def find_sample(lake: Lake, identifier: str) -> Sample:
    for table, column in _PLACES:
        found = _lookup(lake, table, column, identifier)
        if found:
            return _identify(lake, table, _only(found, column, identifier))
    raise TraceError(
        f"nothing has the id {identifier!r}; find ids with "
        '`sdg sql "SELECT example_id FROM training_examples LIMIT 10"`'
    )


def _lookup(lake: Lake, table: str, column: str, identifier: str) -> list[Row]:
    """Rows whose own id it is; a mixture's copies count as the member's row."""
    candidates: list[dict[str, str]] = [{column: identifier}]
    parts = identifier.split("/", 2)
    if len(parts) == 3:
        candidates.append({"corpus": parts[0], "language": parts[1], column: parts[2]})
    rows = [row for where in candidates for row in lake.read(table, where=where).to_pylist()]
    if table == "training_examples":
        rows = [row for row in rows if row["source_corpus"] == row["corpus"]]
    return rows


def _only(rows: Sequence[Row], column: str, identifier: str) -> Row:
    partitions = sorted({f"{row['corpus']}/{row['language']}" for row in rows})
    if len(partitions) > 1:
        options = ", ".join(f"{partition}/{rows[0][column]}" for partition in partitions)
        raise TraceError(f"{identifier!r} is in several partitions: write one of {options}")
    return rows[0]


def _identify(lake: Lake, table: str, row: Row) -> Sample:
    example_id = row.get("example_id")
    if example_id is None and row.get("qa_id") is not None:
        where = {"corpus": row["corpus"], "language": row["language"], "example_id": row["qa_id"]}
        examples = lake.read("training_examples", where=where, columns=["example_id"]).to_pylist()
        example_id = examples[0]["example_id"] if examples else None
    return Sample(
        partition=Partition(row["corpus"], row["language"]),
        utterance_id=row.get("utterance_id"),
        passage_id=row.get("passage_id"),
        qa_id=row.get("qa_id"),
        example_id=example_id,
    )


def _source_steps(lake: Lake, where: dict[str, str], sample: Sample) -> Iterator[Step]:
    by_passage = {**where, "passage_id": sample.passage_id or ""}
    by_utterance = {**where, "utterance_id": sample.utterance_id or ""}
    if sample.passage_id is not None:
        question = {**by_passage, **({"qa_id": sample.qa_id} if sample.qa_id else {})}
        yield from _rows(lake, "text_qa", question, limit=1)
        yield from _rows(lake, "synthesized_speech", by_passage, call=True)
    if sample.utterance_id is not None:
        yield from _rows(lake, "raw_audio", by_utterance)
        yield from _rows(lake, "transcripts", by_utterance)
        yield from _rows(lake, "pseudo_labels", by_utterance, call=True)


def _question_steps(lake: Lake, where: dict[str, str], sample: Sample) -> Iterator[Step]:
    if sample.passage_id is not None:
        return
    key = {"qa_id": sample.qa_id} if sample.qa_id else {"utterance_id": sample.utterance_id or ""}
    for table in ("generated_qa", "filtered_qa"):
        yield from _rows(lake, table, {**where, **key}, call=True)


def _example_steps(lake: Lake, sample: Sample) -> Iterator[Step]:
    own = sample.example_id or ""
    adopted = f"{sample.partition.corpus}/{sample.partition.language}/{own}"
    examples = [
        row
        for row in lake.read("training_examples", where={"example_id": [own, adopted]}).to_pylist()
        if row["source_corpus"] == sample.partition.corpus
        and row["source_language"] == sample.partition.language
    ]
    for example in examples:
        yield Step("training_examples", _facts(example))
        yield from _checkpoint_steps(lake, example)
    asked = {"eval_set": sample.partition.corpus, "eval_language": sample.partition.language}
    where: dict[str, Any] = {**asked, "example_id": [own, adopted]}
    for score in lake.read("rouge_l_scores", where=where).to_pylist():
        yield Step("rouge_l_scores", _facts(score))


def _checkpoint_steps(lake: Lake, example: Row) -> Iterator[Step]:
    """The checkpoints whose training data, at their snapshot, held this example."""
    if example["split"] != "train":
        return
    where = {"corpus": example["corpus"], "language": example["language"]}
    for checkpoint in lake.read("trained_checkpoints", where=where).to_pylist():
        held = lake.read(
            "training_examples",
            where={**where, "example_id": example["example_id"]},
            columns=["split"],
            version=checkpoint["data_snapshot"],
        ).to_pylist()
        if any(row["split"] == "train" for row in held):
            yield Step("trained_checkpoints", _facts(checkpoint, leave_out={"composition"}))


def _rows(
    lake: Lake,
    table: str,
    where: Mapping[str, str],
    *,
    call: bool = False,
    limit: int | None = None,
) -> Iterator[Step]:
    for row in lake.read(table, where=where).to_pylist()[:limit]:
        yield Step(table, _facts(row))
        if call and row["call_key"]:
            yield from _call_step(lake, row["call_key"])


def _call_step(lake: Lake, key: str) -> Iterator[Step]:
    calls = lake.read("model_calls", where={"key": key}).to_pylist()
    for call in calls[-1:]:
        parameters = json.loads(call["parameters"])
        yield Step(
            "model_calls",
            {
                **_facts(call, leave_out={"parameters"}),
                "model": f"{parameters.get('name')} @ {parameters.get('revision')}",
            },
        )


def _facts(row: Row, leave_out: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    return {
        name: value
        for name, value in row.items()
        if value is not None and value != [] and name not in leave_out
    }
