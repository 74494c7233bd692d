"""One sample's whole descent: from the source file to the scores it got.

Tables hold what was made last, which need not be what the sample was made from. So every stage is
looked at as its reader saw it: at the version of the lake that the reader's record names. Where
that version was removed by gc, today's rows stand in if nothing was made again since, and are
marked if something was.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa

from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.mixtures import name_adopted
from sdg_assets.errors import UserError
from sdg_assets.explaining import suggest
from sdg_assets.quality.contamination import keep_served
from sdg_assets.storage.lake import Lake
from sdg_assets.storage.tables import TABLES, identity_column
from sdg_training.recipe import Recipe

Row = dict[str, Any]

# What each stage reads of its own partition. A stage read by several is shown once.
_READS = {
    "training_examples": ("filtered_qa", "synthesized_speech", "text_qa", "raw_audio"),
    "filtered_qa": ("generated_qa",),
    "generated_qa": ("pseudo_labels", "transcripts"),
    "pseudo_labels": ("raw_audio",),
    "transcripts": ("raw_audio",),
    "synthesized_speech": ("text_qa",),
}
_ORDER = (
    "raw_audio",
    "transcripts",
    "pseudo_labels",
    "text_qa",
    "synthesized_speech",
    "generated_qa",
    "filtered_qa",
    "training_examples",
)
# Where an id may be found, most derived first, and the column that holds it.
_PLACES = (
    ("training_examples", "example_id"),
    ("filtered_qa", "qa_id"),
    ("generated_qa", "qa_id"),
    ("text_qa", "qa_id"),
    ("raw_audio", "utterance_id"),
    ("synthesized_speech", "passage_id"),
    ("text_qa", "passage_id"),
    ("quarantine", "item_id"),
)
_CONTENT = ("question", "answer", "audio_sha256")  # what makes an example what it is


class TraceError(UserError):
    """No sample, or several, of that id: says what to write instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage did to the sample."""

    stage: str
    facts: Mapping[str, Any]
    made: Mapping[str, Any] = field(default_factory=dict)  # by which run, and when
    note: str = ""  # where these facts are not simply today's

    def to_dict(self) -> Row:
        return {
            "stage": self.stage,
            **({"note": self.note} if self.note else {}),
            **({"made": dict(self.made)} if self.made else {}),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class View:
    """A stage's partition as one of its readers saw it."""

    stage: str
    partition: Partition
    version: int | None = None  # of the lake; None: now
    remade: Row | None = None  # the materialisation in place of what the reader saw


@dataclass(frozen=True, slots=True)
class Sample:
    """The ids under which a sample is known in its own partition, and where to look first.

    A whole utterance or passage, with all its questions, has no ``qa_id``. What went straight
    into quarantine has an ``item_id`` alone.
    """

    partition: Partition
    start: View | None = None
    utterance_id: str | None = None
    passage_id: str | None = None
    qa_id: str | None = None
    item_id: str | None = None

    def where(self, stage: str) -> dict[str, str] | None:
        """Its rows in the table of ``stage``; None where it cannot have any."""
        for column in ("qa_id", "utterance_id", "passage_id"):
            value = getattr(self, column)
            if value is not None and column in TABLES[stage].names:
                return {**self.partition.where, column: value}
        return None


def trace(lake: Lake, identifier: str) -> list[Step]:
    """The steps of the sample, source first.

    ``identifier`` is an example, question, utterance or passage id, that of an item in
    quarantine, or that of a mixture's example; alone or as ``corpus/language/id``.

    Raises:
        TraceError: nothing, or more than one sample, has that id.
    """
    sample = find_sample(lake, identifier)
    views = follow(lake, sample.start) if sample.start else []
    steps = []
    for stage in _ORDER:
        steps += _row_steps(lake, sample, [view for view in views if view.stage == stage])
        steps += _quarantine_steps(lake, sample, stage)
    examples = [step.facts for step in steps if step.stage == "training_examples"]
    examples += [_as_transcribed(step.facts) for step in steps if step.stage == "raw_audio"]
    return [*steps, *_use_steps(lake, sample, examples)]


def _as_transcribed(recording: Mapping[str, Any]) -> Row:
    """The example that a mixture makes of a recording about which it asks nothing."""
    return {"example_id": recording["utterance_id"], "audio_sha256": recording["audio_sha256"]}


def find_sample(lake: Lake, identifier: str) -> Sample:
    for table, column in _PLACES:
        found = _lookup(lake, table, column, identifier)
        if found:
            return _identify(lake, table, _only(found, column, identifier))
    raise TraceError(_explain_missing(lake, identifier))


def follow(lake: Lake, start: View) -> list[View]:
    """``start`` and all that it was made from, each as its reader saw it."""
    views = [start]
    for stage in _READS.get(start.stage, ()):
        for view in follow(lake, look_upstream(lake, start, stage, start.partition)):
            if view not in views:
                views.append(view)
    return views


def look_upstream(lake: Lake, reader: View, stage: str, partition: Partition) -> View:
    """``stage`` as ``reader`` saw it."""
    record = find_record(lake, reader)
    if record is None or reader.remade is not None:
        return View(stage, partition, reader.version, reader.remade)
    if record["read_version"] is not None and lake.version_exists(record["read_version"]):
        return View(stage, partition, record["read_version"])
    view = View(stage, partition, reader.version)
    standing = find_record(lake, view)
    began = record["finished_at"] - timedelta(seconds=record["seconds"])
    if standing is not None and standing["finished_at"] > began:
        return View(stage, partition, reader.version, standing)
    return view


def find_record(lake: Lake, view: View) -> Row | None:
    """The materialisation that a view shows."""
    where = {**view.partition.where, "stage": view.stage}
    rows = lake.read("materializations", where=where, version=view.version).to_pylist()
    return rows[0] if rows else None


def _explain_missing(lake: Lake, identifier: str) -> str:
    """What of ``corpus/language/id`` is not there, and an id as near to it as there is."""
    rows = lake.read("materializations", columns=["corpus", "language"]).to_pylist()
    made = sorted({Partition(**row) for row in rows})
    if not made:
        return f"nothing has the id {identifier!r}: nothing was made yet, see `sdg run --help`"
    corpora = list(dict.fromkeys(partition.corpus for partition in made))
    corpus, language, name = [*identifier.split("/", 2), "", ""][:3]
    tags = [partition.language for partition in made if partition.corpus == corpus]
    why = ""
    if name and corpus not in corpora:
        near = suggest(corpus, corpora)
        why = f": the lake has no corpus {corpus!r}; {near}it has {', '.join(corpora)}"
    elif name and language not in tags:
        why = f": of {corpus} the lake has only {', '.join(tags)}"
    elif name:
        why = f": {corpus}/{language} is there, but has no {name!r}"
    nearest = sorted(made, key=lambda each: (each.corpus != corpus, each.language != language))
    examples = filter(None, (_find_example(lake, each) for each in nearest))
    shown = next((f". Ids are like {example}" for example in examples), "")
    return f"nothing has the id {identifier!r}{why}{shown}"


def _find_example(lake: Lake, partition: Partition) -> str | None:
    """An id of the partition, as it can be asked for."""
    for table, column in _PLACES:
        query = f"SELECT min({column}) AS id FROM {table} WHERE corpus = ? AND language = ?"
        [found] = lake.query(query, list(partition.where.values())).to_pylist()
        if found["id"] is not None:
            return f"{partition.corpus}/{partition.language}/{found['id']}"
    return None


def _lookup(lake: Lake, table: str, column: str, identifier: str) -> list[Row]:
    """Rows whose own id it is; a mixture's copy is found only by its mixture's name."""
    parts = identifier.split("/", 2)
    bare = lake.read(table, where={column: identifier}).to_pylist()
    if len(parts) < 3:
        named = []
    else:
        where = {"corpus": parts[0], "language": parts[1], column: parts[2]}
        named = lake.read(table, where=where).to_pylist()
    own = [
        row for row in (*bare, *named) if row.get("source_corpus", row["corpus"]) == row["corpus"]
    ]
    return own or named


def _only(rows: Sequence[Row], column: str, identifier: str) -> Row:
    partitions = sorted({f"{row['corpus']}/{row['language']}" for row in rows})
    if len(partitions) > 1:
        options = ", ".join(f"{partition}/{rows[0][column]}" for partition in partitions)
        raise TraceError(f"{identifier!r} is in several partitions: write one of {options}")
    return rows[0]


def _identify(lake: Lake, table: str, row: Row) -> Sample:
    found_in = Partition(row["corpus"], row["language"])
    if table == "quarantine":
        return Sample(found_in, item_id=row["item_id"])
    sample = Sample(
        partition=Partition(
            row.get("source_corpus", found_in.corpus), row.get("source_language", found_in.language)
        ),
        utterance_id=row.get("utterance_id"),
        passage_id=row.get("passage_id"),
        qa_id=row.get("qa_id"),
    )
    return replace(sample, start=_find_start(lake, table, found_in, sample))


def _find_start(lake: Lake, table: str, found_in: Partition, sample: Sample) -> View | None:
    """The most derived stage that holds it now; of a mixture, its member as the mixture saw it."""
    if found_in != sample.partition:
        return look_upstream(lake, View(table, found_in), table, sample.partition)
    for stage in reversed(_ORDER):
        where = sample.where(stage)
        if where is not None and lake.read(stage, where=where, columns=["corpus"]).num_rows:
            return View(stage, sample.partition)
    return None


def _row_steps(lake: Lake, sample: Sample, views: Iterable[View]) -> list[Step]:
    """The sample's rows in one stage, and their calls; the same row seen by two readers is one."""
    steps: dict[str, Step] = {}
    calls: dict[str, Step] = {}
    for view in sorted(views, key=lambda view: view.remade is not None):
        where = sample.where(view.stage)
        if where is None:
            continue
        made, note = _describe_view(lake, view)
        order = [identity_column(view.stage)]
        for row in lake.read(
            view.stage, where=where, version=view.version, order_by=order
        ).to_pylist():
            steps.setdefault(repr(row), Step(view.stage, _facts(row), made, note))
            if row.get("call_key") and view.remade is None:
                calls |= {step.facts["key"]: step for step in _call_steps(lake, row["call_key"])}
    return [*steps.values(), *calls.values()]


def _describe_view(lake: Lake, view: View) -> tuple[Row, str]:
    """Who made what the view shows, and what to know of it."""
    record = find_record(lake, view)
    made = {name: record[name] for name in ("run_id", "finished_at")} if record else {}
    if view.remade is not None:
        again = view.remade
        return made, (
            f"re-made since: {again['stage']} was made again {_by(again)}, and gc has removed what "
            "the sample came from; this is the row that stands there now"
        )
    standing = find_record(lake, View(view.stage, view.partition))
    if record and standing and standing["run_id"] != record["run_id"]:
        return made, (
            f"as it was in version {view.version} of the lake: made again since {_by(standing)}, "
            "which the sample does not come from"
        )
    return made, ""


def _by(record: Row) -> str:
    return f"by run {record['run_id']} at {record['finished_at']:%F %T} UTC"


def _call_steps(lake: Lake, key: str) -> Iterator[Step]:
    """The call that counts: the first that was answered."""
    calls = lake.read("model_calls", where={"key": key}, order_by=["created_at"]).to_pylist()
    for call in sorted(calls, key=lambda call: call["error"] is not None)[:1]:
        yield Step("model_calls", _facts(call))


def _quarantine_steps(lake: Lake, sample: Sample, stage: str) -> Iterator[Step]:
    ids = {sample.utterance_id, sample.passage_id, sample.qa_id, sample.item_id} - {None}
    where = {**sample.partition.where, "stage": stage, "item_id": sorted(map(str, ids))}
    rows = lake.read("quarantine", where=where).to_pylist()
    for row in rows:
        made, note = _describe_view(lake, View(stage, sample.partition))
        yield Step("quarantine", _facts(row), made, note)


def _use_steps(lake: Lake, sample: Sample, examples: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Mixtures that took the examples in, checkpoints trained on them, and their scores."""
    if not examples:
        return
    by_id = {str(row["example_id"]): row for row in examples}
    by_id |= {name_adopted(sample.partition, name): row for name, row in by_id.items()}
    partitions = [sample.partition]
    adopted = lake.read(
        "training_examples",
        where={"example_id": [*by_id], "source_corpus": sample.partition.corpus},
        order_by=["corpus", "language", "example_id"],
    ).to_pylist()
    for row in adopted:
        if row["source_language"] != sample.partition.language:
            continue
        partition = Partition(row["corpus"], row["language"])
        if partition == sample.partition:
            continue
        if partition not in partitions:
            partitions.append(partition)
        made, _ = _describe_view(lake, View("training_examples", partition))
        original = by_id[row["example_id"]]
        yield Step("training_examples", _facts(row), made, _compare(row, original, _CONTENT))
    for partition in partitions:
        yield from _checkpoint_steps(lake, partition, by_id)
    asked = {"eval_set": sample.partition.corpus, "eval_language": sample.partition.language}
    scores = lake.read("rouge_l_scores", where={**asked, "example_id": [*by_id]}).to_pylist()
    for row in sorted(scores, key=lambda row: (row["corpus"], row["example_id"])):
        partition = Partition(row["corpus"], row["language"])
        made, _ = _describe_view(lake, View("rouge_l_scores", partition))
        given = {**row, "answer": row["reference"]}
        note = _compare(given, by_id[row["example_id"]], ("question", "answer"))
        yield Step("rouge_l_scores", _facts(row), made, note)


def _checkpoint_steps(
    lake: Lake, partition: Partition, by_id: Mapping[str, Mapping[str, Any]]
) -> Iterator[Step]:
    """Checkpoints of ``partition`` whose training data, at their version, held the examples."""
    for checkpoint in lake.read("trained_checkpoints", where=partition.where).to_pylist():
        rows = lake.read(
            "training_examples",
            where={**partition.where, "example_id": [*by_id], "split": "train"},
            version=checkpoint["data_snapshot"],
        )
        held = _drop_skipped(rows, checkpoint)
        if held:
            made, _ = _describe_view(lake, View("trained_checkpoints", partition))
            notes = {_compare(row, by_id[row["example_id"]], _CONTENT) for row in held}
            facts = {**_facts(checkpoint), "trained_on": [row["example_id"] for row in held]}
            yield Step("trained_checkpoints", facts, made, max(notes))


def _drop_skipped(examples: pa.Table, checkpoint: Row) -> list[Row]:
    """Those of a checkpoint's data that its training did not skip."""
    skipped = json.loads(checkpoint["metrics"]).get("skipped_examples", {})
    served = keep_served(examples, Recipe.model_validate_json(checkpoint["recipe"])).to_pylist()
    return [
        row for row in served if name_adopted(_source_of(row), row["example_id"]) not in skipped
    ]


def _source_of(example: Row) -> Partition:
    return Partition(example["source_corpus"], example["source_language"])


def _compare(row: Row, example: Mapping[str, Any], columns: Iterable[str]) -> str:
    other = {name: row[name] for name in columns if row[name] != example.get(name)}
    if not other:
        return ""
    told = ", ".join(f"{name} {value!r}" for name, value in other.items())
    return f"another version of the example: {told}"


def _facts(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and value != []}
