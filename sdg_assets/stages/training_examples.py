"""(spoken context, question, answer) triples out of whatever the corpus's kind gives."""

from collections import Counter
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.mixtures import ingredients_of, name_adopted, name_own
from sdg_assets.stages.run import MissingInputError, StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import ALL_KINDS, stage
from sdg_assets.stages.views import grouped_bars

Row = dict[str, Any]
AUDIO_COLUMNS = ("duration", "shard", "byte_offset", "byte_length", "audio_sha256")
METHODS = {"labelled_speech": "labelled", "unlabelled_speech": "pseudo", "text_qa": "tts"}


class TrainingExamplesConfig(StageConfig):
    max_per_context: int = Field(
        0, ge=0, description="Keep at most N questions about one context. 0: all."
    )


@stage(
    kinds=ALL_KINDS,
    upstream=["filtered_qa", "synthesized_speech"],
    group="training",
    tools=frozenset({"duckdb"}),
    may_be_first=True,
)
def training_examples(run: StageRun, config: TrainingExamplesConfig) -> StageResult:
    """Examples to train and to score on.

    Speech corpora join kept questions to their audio, text corpora join questions to their
    synthesized passage, and a mixture unites its members' examples.
    """
    match run.corpus.kind:
        case "mixture":
            rows_in, rows = _unite_members(run)
        case "text_qa":
            rows_in, rows = _join_synthesized(run)
        case _:
            rows_in, rows = _join_speech(run)
    kept = _cap(rows, config.max_per_context)
    unjoined = "passage not spoken" if run.corpus.kind == "text_qa" else "dropped by filtered_qa"
    counts = {unjoined: rows_in - len(rows), "over max_per_context": len(rows) - len(kept)}
    dropped = {reason: count for reason, count in counts.items() if count}
    return StageResult(
        kept, rows_in=rows_in, metadata={**_describe(kept), "dropped_by_reason": dropped}
    )


def _join_speech(run: StageRun) -> tuple[int, list[Row]]:
    audio = {row["utterance_id"]: row for row in run.read("raw_audio")}
    questions = run.read("filtered_qa")
    rows = [
        {
            "example_id": question["qa_id"],
            "utterance_id": question["utterance_id"],
            "speaker": audio[question["utterance_id"]]["speaker"],
            **_shared(run, question, audio[question["utterance_id"]]),
        }
        for question in questions
        if question["kept"] and question["utterance_id"] in audio
    ]
    return len(questions), rows


def _join_synthesized(run: StageRun) -> tuple[int, list[Row]]:
    audio = {row["passage_id"]: row for row in run.read("synthesized_speech")}
    questions = run.read("text_qa")
    rows = [
        {
            "example_id": question["qa_id"],
            "passage_id": question["passage_id"],
            "speaker": audio[question["passage_id"]]["voice"],
            **_shared(run, question, audio[question["passage_id"]]),
        }
        for question in questions
        if question["passage_id"] in audio
    ]
    return len(questions), rows


def _shared(run: StageRun, question: Row, audio: Row) -> Row:
    return {
        "method": METHODS[run.corpus.kind],
        "split": audio["split"],
        "source_corpus": run.corpus.name,
        "source_language": run.language,
        "qa_id": question["qa_id"],
        "context": question["context"],
        "question": question["question"],
        "answer": question["answer"],
        **{column: audio[column] for column in AUDIO_COLUMNS},
    }


def _unite_members(run: StageRun) -> tuple[int, list[Row]]:
    """The members' examples of this language (``mul``: of all their languages), and recordings
    that are only to be transcribed.

    Raises:
        MissingInputError: something of that is not there; says what to materialise.
    """
    names = (run.corpus.name, *run.corpus.sources)
    configs = {name: run.workspace.corpus(name) for name in names}
    rows: list[Row] = []
    for needed, partition in ingredients_of(run.partition, configs):
        if not run.materialised(needed, partition):
            raise MissingInputError(
                f"the mixture {run.corpus.name} needs {needed} of {partition}: "
                "materialise that partition first"
            )
        if needed == run.stage:
            rows += [_adopt(row) for row in run.read(needed, partition=partition)]
        else:
            rows += _transcribe(run, partition)
    return len(rows), rows


def _transcribe(run: StageRun, source: Partition) -> list[Row]:
    """Training recordings with their transcripts, about which nothing is asked."""
    texts = {row["utterance_id"]: row["text"] for row in run.read("transcripts", partition=source)}
    return [
        {
            "example_id": name_adopted(source, row["utterance_id"]),
            "utterance_id": row["utterance_id"],
            "speaker": row["speaker"],
            "method": "asr",
            "split": row["split"],
            "source_corpus": source.corpus,
            "source_language": source.language,
            "context": texts[row["utterance_id"]],
            **{column: row[column] for column in AUDIO_COLUMNS},
        }
        for row in run.read("raw_audio", partition=source)
        if row["split"] == "train" and row["utterance_id"] in texts
    ]


def _adopt(row: Row) -> Row:
    """``row`` of a member as the mixture's own: its id is unique in its own partition only."""
    source = Partition(row["source_corpus"], row["source_language"])
    own = {name: value for name, value in row.items() if name not in ("corpus", "language")}
    return {**own, "example_id": name_adopted(source, name_own(row))}


def _cap(rows: list[Row], limit: int) -> list[Row]:
    if not limit:
        return rows
    seen: Counter[tuple[str, str, str | None, str | None]] = Counter()
    kept = []
    for row in rows:
        context = (
            row["source_corpus"],
            row["source_language"],
            row.get("utterance_id"),
            row.get("passage_id"),
        )
        seen[context] += 1
        if seen[context] <= limit:
            kept.append(row)
    return kept


def _describe(rows: list[Row]) -> dict[str, Any]:
    splits = Counter(row["split"] for row in rows)
    by_method = Counter((row["method"], row["split"]) for row in rows)
    methods = sorted({row["method"] for row in rows})
    clips = {(row["shard"], row["byte_offset"]): row["duration"] for row in rows}
    return {
        "split": dict(splits),
        "contexts": len(clips),
        "hours": sum(clips.values()) / 3600,
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "languages": dict(Counter(row["source_language"] for row in rows)),
        "plot": dg.MetadataValue.md(
            grouped_bars(
                {
                    method: {
                        split: float(by_method[method, split])
                        for split in ("train", "validation", "test")
                    }
                    for method in methods
                },
                "examples",
            )
        ),
    }
