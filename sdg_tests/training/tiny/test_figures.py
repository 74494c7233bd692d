"""What the shipped models were measured to do when they were made."""

import json

import pytest

from sdg_training.tiny import WEIGHTS
from sdg_training.tiny.parts import AFTER
from sdg_training.tiny.world import list_languages

FIGURES = json.loads((WEIGHTS / "figures.json").read_text())


@pytest.mark.parametrize("language", list_languages())
def test_the_tiny_models_reach_their_targets(language: str) -> None:
    written, heard = FIGURES["llm"][language], FIGURES["whisper"][language]
    assert heard["wer"] <= 0.05
    assert heard["wer_language_detected"] <= 0.05
    assert written["write_qa"] >= 0.95
    assert written["write_qa_parsed"] >= 0.95
    assert written["answer"] >= 0.95
    assert FIGURES["encoder"][language]["token_error_rate"] <= 0.05


def test_they_were_made_within_an_hour() -> None:
    minutes = {part: figures["minutes"] for part, figures in FIGURES.items()}
    assert all(time + minutes.get(AFTER.get(part, ""), 0) < 60 for part, time in minutes.items())
