"""Scores through Dagster: what a row and a materialisation say, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import dagster as dg
import pytest
from starlette.testclient import TestClient

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.leaderboard import show_leaderboard
from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.samples.app import build_app
from sdg_assets.stages import launch
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register_quiz
from sdg_tests.homes import live_in
from sdg_tests.metadata import metadata_of

QUIZ = Partition("quiz", "en")
RECIPE = {"trained_checkpoints": {"recipe": {"max_steps": 3}}}
PLACES = {"train": "Abigail bought a red lamp.", "test": "Victor paid ten euros for a green hat."}
UNHEARD = "Anna sold two blue chairs."
HOSTILE = '<b>what & "who"|\'?'


def record(identifier: str, split: str, context: str) -> dict[str, Any]:
    questions = [
        {"question": "Who was it?", "answer": context.split()[0]},
        {"question": HOSTILE, "answer": context},
    ]
    return {"id": identifier, "split": split, "context": context, "questions": questions}


def prepare(folder: Path, records: list[dict[str, Any]]) -> None:
    register_quiz(folder, records)
    assert not run_stages(QUIZ, stages_upto("training_examples")).failed


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home with a corpus that was trained on, and of whose four test examples two were scored."""
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        live_in(folder / "home", patch)
        patch.setattr(launch, "OBSERVE_SECONDS", 0.05)
        records = [record(side, side, text) for side, text in PLACES.items()]
        prepare(folder, [*records, record("other", "test", UNHEARD)])
        stages = ("trained_checkpoints", "rouge_l_scores")
        config = {**RECIPE, "rouge_l_scores": {"limit": 2, "num_beams": 2}}
        assert not run_stages(QUIZ, stages, config=config).failed
        yield


@pytest.mark.usefixtures("scored")
def test_scores_are_told_beside_what_they_are_to_be_compared_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = open_workspace()
    rows = workspace.lake.read("rouge_l_scores", order_by=["example_id"]).to_pylist()
    assert len(rows) == 2
    for row in rows:
        assert row["asr_text"]  # what the tiny recognizer makes of a sentence of its world
        assert row["rouge_l_cascade"] is not None
        assert row["rouge_l_audio_shuffled"] is not None
        assert row["bleu_audio_shuffled"] is not None
        assert row["contamination"] == []
    metadata = metadata_of("rouge_l_scores")
    assert metadata["contamination"] == {}
    assert metadata["asked"] == {"quiz": "2 of 4"}
    assert metadata["num_beams"] == 2
    assert metadata["rouge_l_interval"].endswith(" over 2 recordings")
    for name in ("leaderboard", "plot"):
        assert metadata[name].startswith("![plot](data:image/png")
    for name in ("scores", "scores_by_language", "scores_by_method"):
        assert "| cascade |" in metadata[name]
    assert "| cascade | " in metadata["scores_by_condition"]
    assert "[listen](http://127.0.0.1:4000/quiz/en/" in metadata["worst"]
    show_leaderboard("language", "json")
    standing = json.loads(capsys.readouterr().out)
    assert standing["trained_on"] == "quiz|en"
    assert standing["asked"] == "quiz en"
    assert (standing["questions"], standing["limit"], standing["num_beams"]) == (2, 2, 2)
    assert (standing["clusters"], standing["clustered_by"]) == (2, "recording")
    assert standing["token_f1_untrained"] == pytest.approx(
        fmean(row["token_f1_untrained"] for row in rows)
    )
    for condition in ("trained", "untrained", "audio_removed", "audio_shuffled", "cascade"):
        low, mean, high = (standing[condition + bound] for bound in ("_low", "", "_high"))
        assert low <= mean <= high


@pytest.mark.usefixtures("scored")
def test_training_is_observed_while_it_runs() -> None:
    with open_instance() as instance:
        observed = instance.fetch_observations(dg.AssetKey("trained_checkpoints"), limit=50)
    told = [record.asset_observation for record in observed.records]
    assert told
    assert {each.partition for each in told if each} == {"quiz|en"}
    assert any(each and "examples_per_second" in each.metadata for each in told)
    checkpoint = metadata_of("trained_checkpoints")
    assert checkpoint["teraflops"] > 0


@pytest.mark.usefixtures("scored")
def test_the_checkpoint_knows_what_of_its_evaluation_set_it_has_seen() -> None:
    workspace = open_workspace()
    [row] = workspace.lake.read("trained_checkpoints").to_pylist()
    with workspace.blobs.local_folder(row["uri"]) as folder:
        lineage = json.loads((folder / "lineage.json").read_text())
    [found] = lineage["contamination"].values()
    assert (found["examples"], found["exact_contexts"]) == (4, 0)
    assert found["speakers"] == []


@pytest.mark.usefixtures("scored")
def test_one_listens_to_a_sample_and_reads_where_it_comes_from() -> None:
    client = TestClient(build_app(open_workspace(read_only=True)))
    assert 'href="/quiz/en"' in client.get("/").text
    examples = client.get("/quiz/en").text
    assert "&lt;b&gt;what &amp; &#34;who&#34;" in examples
    rows = open_workspace().lake.read("training_examples", order_by=["example_id"]).to_pylist()
    for row in rows:
        page = client.get(f"/quiz/en/{row['example_id']}")
        assert page.status_code == 200
        assert row["context"] in page.text
        assert "data:image/png;base64," in page.text
        audio = client.get(f"/-/audio/quiz/en/{row['example_id']}")
        assert audio.headers["content-type"] == "audio/flac"
        assert audio.content[:4] == b"fLaC"
        assert audio.headers["accept-ranges"] == "bytes"  # so that a player can seek
        size = len(audio.content)
        for asked, start, end in (("4-9", 4, 10), ("9-", 9, size), ("-7", size - 7, size)):
            part = client.get(audio.url.path, headers={"range": f"bytes={asked}"})
            assert (part.status_code, part.content) == (206, audio.content[start:end])
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        beyond = client.get(audio.url.path, headers={"range": f"bytes={size}-"})
        assert beyond.status_code == 416
    assert "synthesized_speech" in page.text
    for missing in ("/quiz/de", "/quiz/en/nobody", "/-/audio/quiz/en/nobody"):
        assert client.get(missing).status_code == 404


def test_what_was_trained_on_is_not_scored_unless_one_wants_it(home: Path, tmp_path: Path) -> None:
    same = [
        record("a", "train", PLACES["train"]),
        record("b", "test", "Abigail bought a red lamp!!"),
    ]
    prepare(tmp_path, same)
    stages = ("trained_checkpoints", "rouge_l_scores")
    refused = run_stages(QUIZ, stages, config=RECIPE)
    assert list(refused.failed) == ["rouge_l_scores"]
    assert (
        "2 of 2 evaluation examples have a context or a recording that the checkpoint was trained"
        in (refused.failed["rouge_l_scores"])
    )
    allowed = {"rouge_l_scores": {"allow_contamination": True, "cascade": False}}
    outcome = run_stages(QUIZ, ("rouge_l_scores",), config=allowed)
    assert not outcome.failed
    assert any("uncontaminated" in check for check in outcome.warnings)
    rows = open_workspace().lake.read("rouge_l_scores").to_pylist()
    assert all("context" in row["contamination"] for row in rows)
    assert all(row["rouge_l_cascade"] is None and row["asr_text"] is None for row in rows)
