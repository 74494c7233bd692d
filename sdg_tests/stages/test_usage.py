"""What a materialisation tells of its engines."""

from pathlib import Path

import pytest

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.stages.usage import EngineUse, describe_engines
from sdg_assets.storage.ledger import Summary
from sdg_tests.factory import register_folder, write_speech
from sdg_tests.metadata import metadata_of
from sdg_tests.worlds import passages


def test_figures_are_those_of_the_calls_made_now() -> None:
    calls = Summary(reused=3, performed=4, failed=1, seconds=2.0, output_tokens=30, cost=0.5)
    described = describe_engines([EngineUse("llm", "openai-compatible/m", calls)])
    table = described.pop("engines").value
    assert described == {
        "llm_calls": 4,
        "llm_reused": 3,
        "llm_failed": 1,
        "llm_seconds": 2.0,
        "llm_calls_per_second": 2.0,
        "llm_tokens_per_second": 15.0,
        "llm_cost": 0.5,
    }
    assert "openai-compatible/m" in table


def test_an_engine_that_is_used_again_is_told_once() -> None:
    uses = [
        EngineUse("asr", "w", Summary(reused=40)),
        EngineUse("asr", "w", Summary(reused=2, performed=3, seconds=1.5, audio_seconds=6.0)),
    ]
    described = describe_engines(uses)
    assert described["asr_reused"] == 42
    assert described["asr_calls"] == 3
    assert described["asr_audio_seconds_per_second"] == 4.0
    assert described["engines"].value.count("| w |") == 1


def test_nothing_made_has_no_speed() -> None:
    described = describe_engines([EngineUse("asr", "w", Summary(reused=3))])
    assert {name for name in described if "second" in name} == {"asr_seconds"}


def test_stages_report_engines_and_hours(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", passages("en", 2), labelled=False)
    register_folder(tmp_path, "talks", "unlabelled_speech", ["en"])
    talks = Partition("talks", "en")
    assert run_stages(talks, stages_upto("filtered_qa")).failed == {}
    heard = metadata_of("pseudo_labels")
    assert (heard["asr_calls"], heard["asr_reused"], heard["asr_failed"]) == (2, 0, 0)
    assert heard["asr_audio_seconds_per_second"] > 0
    assert "openai-whisper" in heard["engines"]
    asked = metadata_of("generated_qa")
    assert asked["llm_calls"] == 2
    assert asked["llm_tokens_per_second"] > 0
    assert asked["hours"] == pytest.approx(heard["hours"], rel=1e-3)
    assert 0 < metadata_of("filtered_qa")["hours"] <= asked["hours"]

    assert run_stages(talks, ["generated_qa"]).failed == {}
    again = metadata_of("generated_qa")
    assert (again["llm_calls"], again["llm_reused"]) == (0, 2)
