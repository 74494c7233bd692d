"""`sdg trace`: a sample's descent, whatever id it is asked by."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.storage.lake import Lake, Replacement
from sdg_assets.storage.maintenance import plan_gc, run_gc
from sdg_assets.trace import TraceError, trace
from sdg_assets.workspace import open_workspace
from sdg_tests.chatter import serve_prose
from sdg_tests.factory import SENTENCES, register, register_folder, write_profile, write_speech
from sdg_tests.homes import live_in
from sdg_tests.storage.rows import make_rows

LINE = '{"id": "q1", "context": "The lamp is red.", "question": "Which?", "answer": "The lamp"}\n'


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    tmp_path = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as environment:
        live_in(tmp_path / "home", environment)
        yield make_lake(tmp_path)


def make_lake(tmp_path: Path) -> Lake:
    for language in ("en", "fr"):
        (tmp_path / f"qa.{language}.jsonl").write_text(LINE, encoding="utf-8")
    reader = {"layout": "jsonl_qa", "path": "qa.{language}.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en", "fr"], reader=reader)
    register(tmp_path, name="mix", kind="mixture", languages=["en"], members=["qa"])
    for language in ("en", "fr"):
        run_stages(Partition("qa", language), stages_upto("training_examples"))
    run_stages(Partition("mix", "en"), ["training_examples"])
    return open_workspace().lake


# The steps of a spoken question that a mixture has adopted.
SPOKEN = [
    "text_qa", "synthesized_speech", "model_calls", "training_examples", "training_examples",
]  # fmt: skip


@contextmanager
def scored(lake: Lake, language: str, scores: list[dict[str, Any]]) -> Iterator[None]:
    """The mixture's scores, for as long as the block lasts."""
    where = {"corpus": "mix", "language": language}
    rows = [{**where, "eval_set": "qa", "example_id": "q1", **score} for score in scores]
    lake.replace(Replacement("rouge_l_scores", make_rows("rouge_l_scores", rows), where))
    yield
    lake.replace(Replacement("rouge_l_scores", make_rows("rouge_l_scores", []), where))


def test_an_example_is_followed_from_its_file_to_its_mixture(lake: Lake) -> None:
    steps = trace(lake, "qa/en/q1")
    assert [step.stage for step in steps] == SPOKEN
    source, speech, call, example, adopted = (step.facts for step in steps)
    assert source["source_path"].endswith("qa.en.jsonl")
    assert len(source["source_sha256"]) == 64
    assert speech["call_key"] == call["key"]
    assert call["engine"] == "espeak"
    assert (example["shard"], example["byte_offset"]) == (speech["shard"], speech["byte_offset"])
    assert (adopted["corpus"], adopted["example_id"]) == ("mix", "qa/en/q1")


def test_scores_of_the_same_id_in_another_language_are_not_its_own(lake: Lake) -> None:
    scores = [{"eval_language": language, "rouge_l": 0.5} for language in ("en", "fr")]
    with scored(lake, "mul", scores):
        steps = trace(lake, "qa/fr/q1")
    assert (steps[-1].stage, steps[-1].facts["eval_language"]) == ("rouge_l_scores", "fr")
    assert [step.stage for step in steps].count("rouge_l_scores") == 1


def test_an_id_in_two_partitions_asks_which(lake: Lake) -> None:
    with pytest.raises(TraceError, match="qa/en/q1, qa/fr/q1"):
        trace(lake, "q1")


@pytest.mark.parametrize(
    ("identifier", "said"),
    [
        ("nothing", "'nothing'. Ids are like mix/en/qa/en/q1"),
        ("qas/en/x", "no corpus 'qas'; did you mean `qa`? it has mix, qa. Ids are like"),
        ("qa/de/q1", "of qa the lake has only en, fr. Ids are like qa/en/q1"),
        ("qa/fr/x", "qa/fr is there, but has no 'x'. Ids are like qa/fr/q1"),
    ],
)
def test_an_unknown_id_says_what_is_not_there_and_what_ids_are_like(
    lake: Lake, identifier: str, said: str
) -> None:
    with pytest.raises(TraceError, match=re.escape(said)):
        trace(lake, identifier)


def test_in_an_empty_lake_nothing_was_made(home: Path) -> None:
    with pytest.raises(TraceError, match="nothing was made yet"):
        trace(open_workspace().lake, "qa/en/q1")


def test_a_mixture_s_example_is_found_by_its_name_there(lake: Lake) -> None:
    steps = trace(lake, "mix/en/qa/en/q1")
    assert [step.stage for step in steps] == SPOKEN
    assert [step.facts["corpus"] for step in steps[-2:]] == ["qa", "mix"]
    assert [step.note for step in steps] == [""] * 5


def test_a_passage_goes_on_to_its_questions_and_scores(lake: Lake) -> None:
    example = lake.read("training_examples", where={"corpus": "qa", "language": "en"}).to_pylist()[
        0
    ]
    score = {"eval_language": "en", "rouge_l": 0.5, "question": "Which?", "reference": "Blue"}
    with scored(lake, "en", [score]):
        steps = trace(lake, f"qa/en/{example['passage_id']}")
    assert [step.stage for step in steps] == [*SPOKEN, "rouge_l_scores"]
    assert steps[-1].note == "another version of the example: answer 'Blue'"


def test_an_item_in_quarantine_says_where_and_why(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", SENTENCES["en"])
    (tmp_path / "talks" / "en" / "zero.flac").write_bytes(b"")
    (tmp_path / "talks" / "en" / "zero.txt").write_text("nothing")
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    run_stages(Partition("talks", "en"), ["raw_audio"])
    for identifier in ("zero", "talks/en/zero"):
        (step,) = trace(open_workspace().lake, identifier)
        assert (step.stage, step.facts["stage"]) == ("quarantine", "raw_audio")
        assert step.facts["reason"] == "empty_file"
        assert step.facts["source_path"].endswith("zero.flac")
        assert step.made["run_id"]


@pytest.fixture
def remade(home: Path, tmp_path: Path) -> Lake:
    """An example made with LLM "one"; `generated_qa` alone was then made again with LLM "two"."""
    write_speech(tmp_path / "talks" / "en", SENTENCES["en"][:1])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    talks = Partition("talks", "en")
    config = {"filtered_qa": {"judge": "never"}}
    for model, answer, stages in (
        ("one", '[{"question": "What did Abigail buy?", "answer": "a red lamp"}]',
         stages_upto("training_examples")),
        ("two", '[{"question": "Where was Abigail?", "answer": "at the market"}]',
         ["generated_qa"]),
    ):  # fmt: skip
        with serve_prose(answer) as server:
            llm = {"backend": "openai-compatible", "base_url": server.url, "model": model}
            profile = write_profile(tmp_path / f"{model}.yaml", llm=llm, prompts="v1")
            ours = {stage: config[stage] for stage in stages if stage in config}
            outcome = run_stages(talks, stages, profile=profile, config=ours)
        assert outcome.failed == {}
    return open_workspace().lake


def test_a_stage_made_again_is_shown_as_the_example_s_own_stage_read_it(remade: Lake) -> None:
    steps = {step.stage: step for step in trace(remade, "talks/en/u000#1")}
    assert steps["generated_qa"].facts["question"] == "What did Abigail buy?"
    assert "made again since by run" in steps["generated_qa"].note
    assert steps["generated_qa"].made["run_id"] == steps["training_examples"].made["run_id"]
    assert steps["model_calls"].facts["engine"] == "openai-compatible/one"
    assert {s.note for name, s in steps.items() if name != "generated_qa"} == {""}


def test_what_gc_has_removed_is_marked_as_made_again(remade: Lake) -> None:
    workspace = open_workspace()
    plan = plan_gc(remade, workspace.blobs, (), datetime.now(UTC))
    run_gc(remade, workspace.blobs, plan)
    steps = trace(remade, "talks/en/u000#1")
    assert [step.stage for step in steps] == [
        "raw_audio",
        "transcripts",
        "generated_qa",
        "filtered_qa",
        "training_examples",
    ]
    by_stage = {step.stage: step for step in steps}
    assert by_stage["generated_qa"].note.startswith("re-made since: generated_qa was made again")
    assert by_stage["filtered_qa"].note == by_stage["raw_audio"].note == ""
    assert by_stage["filtered_qa"].facts["question"] == "What did Abigail buy?"
    # What the removed questions were made from is not known for sure any more.
    assert by_stage["transcripts"].note.startswith("re-made since")


def test_an_utterance_is_found_before_it_has_examples(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "hi", SENTENCES["hi"], voice="hi")
    register_folder(tmp_path, "talks", "labelled_speech", ["hi"])
    run_stages(Partition("talks", "hi"), stages_upto("transcripts"))
    steps = trace(open_workspace().lake, "u000")
    assert [step.stage for step in steps] == ["raw_audio", "transcripts"]
    assert steps[1].facts["text"] == SENTENCES["hi"][0]
