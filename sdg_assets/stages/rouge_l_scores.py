"""What the data was worth: a checkpoint's answers to test examples, scored with ROUGE-L."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field

from sdg_assets.corpora.base import Reject
from sdg_assets.errors import UserError
from sdg_assets.leaderboard import FIGURES, Standing, read_standings, stand
from sdg_assets.progress import Progress
from sdg_assets.quality.contamination import COLUMNS, Shown, find_shown, keep_served
from sdg_assets.stages.cascade import Recording, recognize
from sdg_assets.stages.evaluation_sets import choose_evaluation_sets, choose_examples
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import ALL_KINDS, stage
from sdg_assets.stages.views import Link, grouped_bars, heat_map, markdown_table
from sdg_training.conditions import CONDITIONS
from sdg_training.recipe import Recipe

Row = dict[str, Any]
Key = tuple[str, str, str]  # evaluation set, language, example
SAMPLES = 8  # that are shown, of the worst and of the best


class RougeLScoresConfig(StageConfig):
    evaluate_on: list[str] = Field(
        [],
        description="Corpora whose test split is asked. Empty: as the corpus says, else the "
        "corpus itself, or the members of a mixture.",
    )
    limit: int = Field(
        0,
        ge=0,
        description="Examples of each evaluation set at most, always the same ones, spread over "
        "languages and speakers. 0: as the profile says.",
    )
    num_beams: int = Field(1, ge=1, description="Answers weighed against each other. 1: greedy.")
    cascade: bool = Field(
        True,
        description="Also let the profile's ASR engine transcribe the recordings and the bare LLM "
        "answer from its text: what a speech LM has to be better than.",
    )
    allow_contamination: bool = Field(
        False,
        description="Score although contexts of the evaluation sets were trained on.",
    )


@stage(
    kinds=ALL_KINDS,
    upstream=["trained_checkpoints"],
    group="training",
    tools=frozenset({"torch", "duckdb"}),
    pool="training",
    automatic=False,
)
def rouge_l_scores(run: StageRun, config: RougeLScoresConfig) -> StageResult:
    """Answers and ROUGE-L of the checkpoint on unseen examples.

    The same questions are asked with the audio removed, with that of another recording, of a
    recognizer and the bare LLM, and before any training: a speech LM that does as well without
    hearing has only learnt to guess. Examples whose contexts were trained on are refused.
    """
    run.require("trained_checkpoints")
    checkpoint = run.read("trained_checkpoints")[-1]
    limit = config.limit or run.profile.evaluation_limit
    names = choose_evaluation_sets(run.corpus, config.evaluate_on)
    sets = [choose_examples(run, name, limit) for name in names]
    examples = pa.concat_tables([each.examples for each in sets])
    if examples.num_rows == 0:
        raise NothingToScoreError(
            f"no test example in {', '.join(names)} for {run.language}: materialise their "
            "training_examples, or name other corpora in evaluate_on"
        )
    asked = {_key_of_example(row): row for row in examples.to_pylist()}
    shown = find_contamination(run, checkpoint, asked)
    if not config.allow_contamination:
        refuse_contaminated(shown)
    heard = recognize(run, asked.values()) if config.cascade else None
    scored, rejects = _score(run, config, checkpoint, examples, heard)
    how = {
        "checkpoint_id": checkpoint["checkpoint_id"],
        "num_beams": config.num_beams,
        "evaluation_limit": limit,
    }
    rows = [{**how, **row, "contamination": list(shown[_key(row)].signs)} for row in scored]
    own = [{**run.where, **row, **_identify(asked[_key(row)])} for row in rows]
    return StageResult(
        rows,
        rejects,
        rows_in=examples.num_rows,
        metadata={
            "checkpoint": checkpoint["checkpoint_id"],
            "asked": {each.corpus: str(each) for each in sets},
            "num_beams": config.num_beams,
            **_describe(run, own),
        },
    )


class NothingToScoreError(UserError):
    """No evaluation set has a test example."""


class ContaminationError(UserError):
    """What is to be scored was trained on."""


def find_contamination(
    run: StageRun, checkpoint: Row, asked: Mapping[Key, Row]
) -> dict[Key, Shown]:
    """What the checkpoint's training examples have of each evaluation example."""
    training = run.workspace.lake.read(
        "training_examples",
        where={**run.where, "split": "train"},
        columns=COLUMNS,
        version=checkpoint["data_snapshot"],
    )
    served = keep_served(training, Recipe.model_validate_json(checkpoint["recipe"]))
    return dict(zip(asked, find_shown(list(asked.values()), served), strict=True))


def refuse_contaminated(shown: Mapping[Key, Shown]) -> None:
    """
    Raises:
        ContaminationError: contexts or recordings were trained on; says which and what to do.
    """
    seen = ["/".join(key) for key, each in shown.items() if each.context.exact or each.recording]
    if seen:
        raise ContaminationError(
            f"{len(seen)} of {len(shown)} evaluation examples have a context or a recording that "
            f"the checkpoint was trained on, {', '.join(seen[:3])} among them: split the corpora "
            "so that each is on one side only, or name other corpora in evaluate_on. "
            "allow_contamination: true scores all the same, and marks these rows"
        )


def _score(
    run: StageRun,
    config: RougeLScoresConfig,
    checkpoint: Row,
    examples: pa.Table,
    heard: Mapping[Recording, str] | None,
) -> tuple[list[Row], list[Reject]]:
    from sdg_training.evaluate import score

    loading = f"{run.stage} loading checkpoint {checkpoint['checkpoint_id']}"
    run.report(Progress(loading, 0, 1, 0.0, minor=True))
    with run.workspace.blobs.local_folder(checkpoint["uri"]) as folder:
        scores = score(
            folder,
            examples,
            run.workspace.blobs.url,
            [each for each in CONDITIONS if heard is not None or each != "cascade"],
            asr_texts=heard,
            num_beams=config.num_beams,
            reporter=_StageReporter(run),
        )
    rejects = [
        Reject(skip.example_id, skip.reason, skip.detail, "") for skip in scores.skips.examples
    ]
    return scores.table.to_pylist(), rejects


class _StageReporter:
    """The training package's progress, told as the stage's."""

    def __init__(self, run: StageRun) -> None:
        self._run = run

    def progress(self, progress: Any) -> None:
        label = f"{self._run.stage} {progress.stage}"
        self._run.report(Progress(label, progress.done, progress.total, progress.seconds))

    def log(self, message: str) -> None: ...

    def finish(self, result: Mapping[str, Any]) -> None: ...


def _key(row: Row) -> Key:
    return row["eval_set"], row["eval_language"], row["example_id"]


def _key_of_example(row: Row) -> Key:
    """As a score names it."""
    return row["source_corpus"], row["source_language"], row["example_id"]


def _identify(example: Row) -> Row:
    """Who speaks in which recording, as the leaderboard calls them."""
    return {"speaker": example["speaker"], "recording": example["audio_sha256"]}


def _describe(run: StageRun, rows: list[Row]) -> dict[str, Any]:
    """Of rows as the leaderboard reads them."""
    overall = stand(rows, ("eval_set",))
    others = [s for s in read_standings(run.workspace.lake) if s.trained_on != str(run.partition)]
    board: dict[str, dict[str, float]] = {}
    for standing in (*others, *overall):
        board.setdefault(standing.trained_on, {})[standing.asked] = standing.rouge_l.mean
    marked = [sign for row in rows for sign in row["contamination"]]
    [total] = stand(rows, ())
    return {
        "rouge_l": total.rouge_l.mean,
        "rouge_l_interval": f"{total.rouge_l} over {total.clusters}",
        **{f"rouge_l_{name}": interval.mean for name, interval in total.conditions.items()},
        **{name: total.figures[name] for name in FIGURES if name in total.figures},
        "contamination": {sign: marked.count(sign) for sign in sorted(set(marked))},
        "scores": _table(overall),
        "scores_by_condition": dg.MetadataValue.md(markdown_table(total.compare())),
        "scores_by_language": _table(stand(rows, ("eval_set", "eval_language"))),
        "scores_by_method": _table(stand(rows, ("eval_set", "method"))),
        "leaderboard": dg.MetadataValue.md(heat_map(board, "ROUGE-L")),
        "worst": dg.MetadataValue.md(markdown_table(_samples(run, rows))),
        "best": dg.MetadataValue.md(markdown_table(_samples(run, rows, best=True))),
        "plot": dg.MetadataValue.md(
            grouped_bars(
                {
                    s.asked: {name: interval.mean for name, interval in s.intervals().items()}
                    for s in overall
                },
                "ROUGE-L",
            )
        ),
    }


def _table(standings: Sequence[Standing]) -> dg.MetadataValue[Any]:
    rows = [standing.to_row() for standing in standings]
    unbroken = [
        {**row, "trained": row["trained"].replace(" ", "\N{NO-BREAK SPACE}")} for row in rows
    ]
    return dg.MetadataValue.md(markdown_table(unbroken))


def _samples(run: StageRun, rows: list[Row], *, best: bool = False) -> list[Row]:
    ordered = sorted(rows, key=lambda row: row["rouge_l"], reverse=best)[:SAMPLES]
    columns = ("eval_language", "question", "reference", "prediction", "asr_text", "rouge_l")
    return [
        {
            **{name: row[name] for name in columns},
            "sample": Link("listen", run.workspace.settings.locate_sample(*_key(row))),
        }
        for row in ordered
    ]
