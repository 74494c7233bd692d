"""The demo as a user runs it, and the figures that it must show."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from sdg_assets.commands.demo import METHODS
from sdg_assets.trace import trace
from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.processes import run_sdg

TAKE_PICTURES = Path(__file__).parents[1] / "docs" / "pictures" / "take.py"

Scores = dict[tuple[str, str], dict[str, float]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home: Path = tmp_path_factory.mktemp("demo") / "home"
    ended = run_sdg(home, "demo", timeout=2400)
    assert ended.returncode == 0, ended.stdout[-4000:]
    assert "sdg dev" in ended.stdout
    return open_workspace(home)


@pytest.fixture(scope="module")
def scores(demo: Workspace) -> Scores:
    rows = demo.lake.query(
        "SELECT replace(corpus, 'demo-train-', '') AS method, eval_set, avg(rouge_l) AS trained,"
        " avg(rouge_l_audio_removed) AS audio_removed, avg(rouge_l_untrained) AS untrained"
        " FROM rouge_l_scores GROUP BY ALL"
    ).to_pylist()
    return {(row.pop("method"), row.pop("eval_set")): row for row in rows}


pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]
SETS = ("demo-text", "demo-labelled")


def test_every_method_is_scored_on_both_sets(scores: Scores) -> None:
    assert set(scores) == {(method, eval_set) for method in METHODS for eval_set in SETS}


@pytest.mark.parametrize("eval_set", SETS)
def test_the_mixture_has_learnt_to_listen(scores: Scores, eval_set: str) -> None:
    figures = scores["mixture", eval_set]
    assert figures["trained"] >= 0.80
    assert figures["untrained"] <= 0.35
    assert figures["audio_removed"] <= 0.35


def test_filtering_has_something_to_do(demo: Workspace) -> None:
    """What is no speech of the tiny world is not trusted, and what is no audio is quarantined."""
    counts = {
        (row["is_waste"], row["trusted"]): row["count"]
        for row in demo.lake.query(
            "SELECT raw_audio.speaker = 'waste' AS is_waste, trusted, count(*) AS count"
            " FROM pseudo_labels JOIN raw_audio USING (corpus, language, utterance_id) GROUP BY ALL"
        ).to_pylist()
    }
    assert counts.get((True, True), 0) <= 1
    assert counts[True, False] >= 35
    assert counts.get((False, False), 0) <= 0.05 * counts[False, True]
    quarantined = demo.lake.read("quarantine", where={"stage": "raw_audio"}).to_pylist()
    assert [Path(row["source_path"]).name for row in quarantined] == ["cut-off.flac"] * 3


@pytest.mark.parametrize("eval_set", SETS)
def test_pseudo_labels_are_nearly_as_good_as_labels(scores: Scores, eval_set: str) -> None:
    assert scores["pseudo", eval_set]["trained"] >= scores["labelled", eval_set]["trained"] - 0.05


@pytest.mark.parametrize("eval_set", SETS)
@pytest.mark.parametrize("method", [method for method in METHODS if method != "mixture"])
def test_the_mixture_is_at_least_as_good(scores: Scores, eval_set: str, method: str) -> None:
    assert scores["mixture", eval_set]["trained"] >= scores[method, eval_set]["trained"]


def stages_of_first_example(demo: Workspace, corpus: str, language: str, split: str) -> list[str]:
    where = {"corpus": corpus, "language": language, "split": split}
    examples = demo.lake.read("training_examples", where=where, order_by=["example_id"])
    first = examples.column("example_id")[0].as_py()
    return [step.stage for step in trace(demo.lake, f"{corpus}/{language}/{first}")]


def test_a_sample_is_traced_from_its_wav_to_its_scores(demo: Workspace) -> None:
    stages = stages_of_first_example(demo, "demo-labelled", "de", "test")
    assert stages[:2] == ["raw_audio", "transcripts"]
    assert {"generated_qa", "filtered_qa", "model_calls", "training_examples"} <= set(stages)
    assert stages.count("rouge_l_scores") == len(METHODS)


def test_a_training_example_names_its_checkpoints(demo: Workspace) -> None:
    stages = stages_of_first_example(demo, "demo-unlabelled", "es", "train")
    assert "pseudo_labels" in stages
    assert stages.count("trained_checkpoints") == 2  # its own method's, and the mixture's


@pytest.mark.skipif(not shutil.which("chromedriver"), reason="no Chromium with its driver here")
def test_the_web_ui_shows_it(demo: Workspace, tmp_path: Path) -> None:
    """The script that takes the README's pictures: it fails where a page lacks what is pictured."""
    subprocess.run(
        [sys.executable, str(TAKE_PICTURES), "--output", str(tmp_path)],
        env={**os.environ, "SDG_HOME": str(demo.home)}, check=True, timeout=600,
    )  # fmt: skip
    pictures = sorted(tmp_path.glob("*.png"))
    wanted = {"asset-graph", "partitions", "plot", "table", "leaderboard", "sample"}
    assert wanted <= {path.stem for path in pictures}
    assert all(np.ptp(imread(path)[..., :3]) > 0.5 for path in pictures)  # none is blank
