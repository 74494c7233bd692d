"""`sdg trace`: a sample's descent, whatever id it is asked by."""

from pathlib import Path

import pytest

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.storage.lake import Lake, Replacement
from sdg_assets.trace import TraceError, trace
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import SENTENCES, register, register_folder, write_speech
from sdg_tests.storage.rows import make_rows

LINE = '{"id": "q1", "context": "The lamp is red.", "question": "Which?", "answer": "The lamp"}\n'


@pytest.fixture
def lake(home: Path, tmp_path: Path) -> Lake:
    (tmp_path / "qa.jsonl").write_text(LINE, encoding="utf-8")
    reader = {"layout": "jsonl_qa", "path": "qa.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en", "fr"], reader=reader)
    register(tmp_path, name="mix", kind="mixture", languages=["en"], members=["qa"])
    for language in ("en", "fr"):
        run_stages(Partition("qa", language), stages_upto("training_examples"))
    run_stages(Partition("mix", "en"), ["training_examples"])
    return open_workspace().lake


def test_an_example_is_followed_from_its_file_to_its_mixture(lake: Lake) -> None:
    steps = trace(lake, "qa/en/q1")
    assert [step.stage for step in steps] == [
        "text_qa",
        "synthesized_speech",
        "model_calls",
        "training_examples",
        "training_examples",
    ]
    source, speech, call, example, adopted = (step.facts for step in steps)
    assert source["source_path"].endswith("qa.jsonl")
    assert len(source["source_sha256"]) == 64
    assert speech["call_key"] == call["key"]
    assert call["model"].startswith("espeak @ ")
    assert (example["shard"], example["byte_offset"]) == (speech["shard"], speech["byte_offset"])
    assert (adopted["corpus"], adopted["example_id"]) == ("mix", "qa/en/q1")


def test_scores_of_the_same_id_in_another_language_are_not_its_own(lake: Lake) -> None:
    asked = {"corpus": "mix", "language": "mul", "eval_set": "qa", "example_id": "q1"}
    scores = [{**asked, "eval_language": language, "rouge_l": 0.5} for language in ("en", "fr")]
    where = {"corpus": "mix", "language": "mul"}
    lake.replace(Replacement("rouge_l_scores", make_rows("rouge_l_scores", scores), where))
    last = trace(lake, "qa/fr/q1")[-1]
    assert (last.stage, last.facts["eval_language"]) == ("rouge_l_scores", "fr")
    assert [step.stage for step in trace(lake, "qa/fr/q1")].count("rouge_l_scores") == 1


def test_an_id_in_two_partitions_asks_which(lake: Lake) -> None:
    with pytest.raises(TraceError, match="qa/en/q1, qa/fr/q1"):
        trace(lake, "q1")


def test_an_unknown_id_says_how_to_find_one(lake: Lake) -> None:
    with pytest.raises(TraceError, match="sdg sql"):
        trace(lake, "nothing")


def test_an_utterance_is_found_before_it_has_examples(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "hi", SENTENCES["hi"], voice="hi")
    register_folder(tmp_path, "talks", "labelled_speech", ["hi"])
    run_stages(Partition("talks", "hi"), stages_upto("transcripts"))
    steps = trace(open_workspace().lake, "u000")
    assert [step.stage for step in steps] == ["raw_audio", "transcripts"]
    assert steps[1].facts["text"] == SENTENCES["hi"][0]
