"""Tests of how checkpoints stand."""

from typing import Any

from sdg_assets.leaderboard import stand

CONDITIONS = {
    "rouge_l_untrained": 0.0, "rouge_l_audio_removed": 0.1, "rouge_l_audio_shuffled": 0.2,
    "exact_match": 1.0, "token_f1": 1.0, "bleu": 1.0,
}  # fmt: skip


def row(eval_set: str, rouge_l: float, language: str = "en", **more: Any) -> dict[str, Any]:
    return {
        "corpus": "talks", "language": "mul", "checkpoint_id": "c0ffee", "eval_set": eval_set,
        "eval_language": language, "method": "tts", "rouge_l": rouge_l, "rouge_l_cascade": None,
        "in_context": None, **CONDITIONS, **more,
    }  # fmt: skip


def test_each_set_has_its_mean_and_what_was_not_measured_is_left_out() -> None:
    left, right = stand([row("a", 1.0), row("a", 0.0), row("b", 0.5)], "xyz", ("eval_set",))
    assert (left.asked, left.questions, left.rouge_l.mean) == ("a", 2, 0.5)
    assert (right.asked, right.questions, right.rouge_l.mean) == ("b", 1, 0.5)
    assert left.trained_on == "talks|mul"
    means = {name: interval.mean for name, interval in left.conditions.items()}
    assert means == {"untrained": 0.0, "audio_removed": 0.1, "audio_shuffled": 0.2}
    assert "in_context" not in left.figures


def test_questions_about_one_recording_make_a_score_no_surer() -> None:
    rows = [row("a", float(number % 2)) for number in range(20)]
    [alone] = stand(rows, [str(number) for number in range(20)], ())
    [together] = stand(rows, [str(number // 10 * 2 + number % 2) for number in range(20)], ())
    assert alone.rouge_l.mean == together.rouge_l.mean == 0.5
    assert together.rouge_l.high - together.rouge_l.low > alone.rouge_l.high - alone.rouge_l.low


def test_scores_can_be_told_apart_by_language_too() -> None:
    rows = [row("a", 1.0, "en"), row("a", 0.0, "hi")]
    asked = [each.asked for each in stand(rows, "xy", ("eval_set", "eval_language"))]
    assert asked == ["a en", "a hi"]


def test_an_interval_is_told_in_words() -> None:
    [standing] = stand([row("a", 0.25)], "x", ())
    assert str(standing.rouge_l) == "0.250 (0.250 to 0.250)"
    assert standing.to_row()["trained"] == "0.250 (0.250 to 0.250)"
    assert standing.asked == "all"
