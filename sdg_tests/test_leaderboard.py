"""Tests of how checkpoints stand."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sdg_assets.commands import tables
from sdg_assets.commands.leaderboard import show_leaderboard
from sdg_assets.leaderboard import read_scores, stand
from sdg_assets.storage.lake import Replacement
from sdg_assets.storage.tables import TABLES
from sdg_assets.workspace import open_workspace
from sdg_tests.storage.rows import make_rows

MEASURED = {
    "rouge_l_untrained": 0.0, "rouge_l_audio_removed": 0.1, "rouge_l_audio_shuffled": 0.2,
    "exact_match": 1.0, "token_f1": 1.0, "bleu": 1.0, "bleu_untrained": 0.25,
}  # fmt: skip
RECORDINGS = map(str, count())


def row(eval_set: str, rouge_l: float, language: str = "en", **more: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(TABLES["rouge_l_scores"].names), "corpus": "talks", "language": "mul",
        "checkpoint_id": "c0ffee", "eval_set": eval_set, "eval_language": language, "method": "tts",
        "rouge_l": rouge_l, "speaker": None, "recording": next(RECORDINGS), **MEASURED, **more,
    }  # fmt: skip


def test_each_set_has_its_mean_and_what_was_not_measured_is_left_out() -> None:
    left, right = stand([row("a", 1.0), row("a", 0.0), row("b", 0.5)], ("eval_set",))
    assert (left.asked, left.questions, left.rouge_l.mean) == ("a", 2, 0.5)
    assert (right.asked, right.questions, right.rouge_l.mean) == ("b", 1, 0.5)
    assert left.trained_on == "talks|mul"
    means = {name: interval.mean for name, interval in left.conditions.items()}
    assert means == {"untrained": 0.0, "audio_removed": 0.1, "audio_shuffled": 0.2}
    assert left.figures == {"exact_match": 1, "token_f1": 1, "bleu": 1, "bleu_untrained": 0.25}


def test_every_condition_has_all_measures() -> None:
    [standing] = stand([row("a", 1.0), row("a", 0.0)], ())
    untrained = {
        "rouge l": 0.0, "bleu": 0.25, "exact match": None, "token f1": None, "in context": None
    }  # fmt: skip
    compared = {each.pop("condition"): each for each in standing.compare()}
    assert list(compared) == ["trained", "untrained", "audio removed", "audio shuffled"]
    trained = {"rouge l": 0.5, "bleu": 1, "exact match": 1, "token f1": 1, "in context": None}
    assert compared["trained"] == trained
    assert compared["untrained"] == untrained


def test_questions_about_one_recording_make_a_score_no_surer() -> None:
    rows = [row("a", float(number % 2)) for number in range(20)]
    [alone] = stand(rows, ())
    [together] = stand([{**each, "recording": each["rouge_l"]} for each in rows], ())
    assert alone.rouge_l.mean == together.rouge_l.mean == 0.5
    assert (str(alone.clusters), str(together.clusters)) == ("20 recordings", "2 recordings")
    assert together.rouge_l.high - together.rouge_l.low > alone.rouge_l.high - alone.rouge_l.low


def test_a_speaker_s_answers_make_a_score_no_surer() -> None:
    """Speakers of two corpora are not the same, though both are called by a number."""
    rows = [row("ab"[n % 2], float(n // 2 % 2), speaker=str(n // 2 % 4)) for n in range(80)]
    [together] = stand(rows, ())
    assert str(together.clusters) == "8 speakers"
    assert [str(each.clusters) for each in stand(rows, ("eval_set",))] == ["40 recordings"] * 2
    assert together.to_row()["intervals over"] == "8 speakers"


def test_scores_are_read_with_who_speaks(home: Path) -> None:
    lake = open_workspace().lake
    part = {"corpus": "quiz", "language": "en"}
    example = {**part, "example_id": "a", "speaker": "Anna", "audio_sha256": "5a"}
    examples = make_rows("training_examples", [example])
    lake.replace(Replacement("training_examples", examples, part))
    for corpus in ("talks", "others"):
        where = {"corpus": corpus, "language": "mul"}
        asked = {**where, "eval_set": "quiz", "eval_language": "en"}
        scores = make_rows("rouge_l_scores", [{**asked, "example_id": name} for name in "ab"])
        lake.replace(Replacement("rouge_l_scores", scores, where))
    rows = read_scores(lake, {"corpus": "talks", "language": "mul"})
    said = [(each["corpus"], each["speaker"], each["recording"]) for each in rows]
    assert said == [("talks", "Anna", "5a"), ("talks", None, "b")]
    assert len(read_scores(lake)) == 4


def test_scores_can_be_told_apart_by_language_too() -> None:
    rows = [row("a", 1.0, "en"), row("a", 0.0, "hi")]
    asked = [each.asked for each in stand(rows, ("eval_set", "eval_language"))]
    assert asked == ["a en", "a hi"]


def test_a_narrow_terminal_shows_what_matters(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = open_workspace().lake
    where = {"corpus": "demo-train-labelled", "language": "mul"}
    conditions = ("", "_audio_removed", "_audio_shuffled", "_cascade", "_untrained")
    scored = {
        **where, "eval_set": "demo-labelled", "eval_language": "en",
        **{f"rouge_l{condition}": 0.125 for condition in conditions},
    }  # fmt: skip
    rows = make_rows("rouge_l_scores", [{**scored, "example_id": str(n)} for n in range(100)])
    lake.replace(Replacement("rouge_l_scores", rows, where))
    monkeypatch.setattr(tables.console, "_width", 80)
    show_leaderboard("set", "table")
    told = capsys.readouterr().out
    line = next(line for line in told.splitlines() if line.startswith("demo-train-labelled|mul"))
    shown = "demo-train-labelled|mul demo-labelled 0.125 ±0.000 0.125 0.125 0.125 100"
    assert line.split() == shown.split()
    assert "no room here for untrained" in told


def test_an_interval_is_told_in_words() -> None:
    [standing] = stand([row("a", 0.25)], ())
    assert str(standing.rouge_l) == "0.250 (0.250 to 0.250)"
    assert standing.rouge_l.to_short() == "0.250 ±0.000"
    assert standing.to_row()["trained"] == "0.250 (0.250 to 0.250)"
    assert standing.asked == "all"
