"""Ten files added to a landed corpus of a hundred: the next run makes calls for ten."""

from pathlib import Path

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register_folder, write_speech
from sdg_tests.worlds import passages

STAGES = stages_upto("generated_qa")
TALKS = Partition("talks", "en")


def calls_by_stage() -> dict[str, int]:
    rows = open_workspace().lake.query(
        "SELECT stage, count(*) AS calls FROM model_calls GROUP BY stage"
    )
    return {row["stage"]: row["calls"] for row in rows.to_pylist()}


def test_ten_more_files_cost_ten_calls(home: Path, tmp_path: Path) -> None:
    texts = passages("en", 110)
    folder = tmp_path / "talks" / "en"
    write_speech(folder, texts[:100], labelled=False)
    register_folder(tmp_path, "talks", "unlabelled_speech", ["en"])
    assert run_stages(TALKS, STAGES).failed == {}
    assert calls_by_stage()["pseudo_labels"] == 100
    lake = open_workspace().lake
    before = {row["utterance_id"]: row for row in lake.read("raw_audio").to_pylist()}
    asked = calls_by_stage()["generated_qa"]
    assert asked == lake.read("pseudo_labels", where={}).column("trusted").to_pylist().count(True)

    write_speech(folder, texts[100:], labelled=False)
    assert run_stages(TALKS, STAGES).failed == {}
    after = {row["utterance_id"]: row for row in lake.read("raw_audio").to_pylist()}
    assert calls_by_stage()["pseudo_labels"] == 110
    assert calls_by_stage()["generated_qa"] <= asked + 10
    assert len(after) == 110
    assert all(after[identifier] == row for identifier, row in before.items())

    assert run_stages(TALKS, STAGES).failed == {}
    assert calls_by_stage()["pseudo_labels"] == 110
