"""Asset checks: each passes what is good, and says what is wrong with what is not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sdg_assets.checks import (
    PartitionView,
    Verdict,
    check_contamination,
    check_dropped,
    check_error_rate,
    check_found,
    check_hearing,
    check_parsing,
    check_quarantine,
    check_splits,
    check_trusted,
    checks,
)
from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.storage.lake import Replacement
from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.factory import register, register_folder, register_quiz
from sdg_tests.storage.rows import make_rows

WHERE = {"corpus": "talks", "language": "en"}
Rows = Sequence[dict[str, Any]]
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def judge(
    check: Callable[[PartitionView], Verdict], stage: str, rows: Rows, rejects: Rows = ()
) -> Verdict:
    """What ``check`` says of a partition of these rows and these rows in quarantine."""
    workspace = open_workspace()
    put(workspace, stage, rows, WHERE)
    put(workspace, "quarantine", rejects, {**WHERE, "stage": stage})
    return check(PartitionView(workspace, stage, WHERE))


def put(workspace: Workspace, table: str, rows: Rows, where: dict[str, str]) -> None:
    filled = make_rows(table, ({**where, **row} for row in rows))
    workspace.lake.replace(Replacement(table, filled, where))


def reject(item: str, reason: str = "broken") -> dict[str, Any]:
    return {"item_id": item, "reason": reason}


def test_quarantined_items_are_counted(home: Path) -> None:
    rows = [{"utterance_id": f"u{n}"} for n in range(18)]
    assert judge(check_quarantine, "raw_audio", rows).severity is None
    verdict = judge(check_quarantine, "raw_audio", rows, [reject("a"), reject("b")])
    assert verdict.severity == WARN
    assert "2 of 20 items are quarantined, mostly broken" in verdict.description
    none = judge(check_quarantine, "pseudo_labels", [], [reject("a", "asr_error")])
    assert none.severity == ERROR


def test_a_reader_that_found_nothing_is_told(home: Path, tmp_path: Path) -> None:
    register_folder(tmp_path, "talks", "unlabelled_speech", ["en"])
    verdict = judge(check_found, "raw_audio", [])
    assert verdict.severity == WARN
    assert f"0 records in 'en' (layout: folder, path: {tmp_path}/talks/en)" in verdict.description
    assert judge(check_found, "raw_audio", [{"utterance_id": "u"}]).severity is None
    assert judge(check_found, "raw_audio", [], [reject("a")]).severity is None


def test_pseudo_labels_that_are_not_trusted_are_counted(home: Path) -> None:
    labels = [
        {"utterance_id": f"u{n}", "trusted": n > 2, "flags": [] if n > 2 else ["loop"]}
        for n in range(10)
    ]
    verdict = judge(check_trusted, "pseudo_labels", labels)
    assert verdict.severity == WARN
    assert "3 of 10" in verdict.description
    assert "loop" in verdict.description
    assert judge(check_trusted, "pseudo_labels", labels[3:]).severity is None


def test_pseudo_labels_are_compared_with_known_texts(home: Path) -> None:
    rates = [0.0, 0.1, 0.4, 0.9, None]
    rows = [{"utterance_id": f"u{n}", "error_rate": rate} for n, rate in enumerate(rates)]
    verdict = judge(check_error_rate, "pseudo_labels", rows)
    assert verdict.severity == WARN
    assert "2 of 4" in verdict.description
    assert judge(check_error_rate, "pseudo_labels", rows[:2]).severity is None
    assert judge(check_error_rate, "pseudo_labels", rows[4:]).severity is None


def test_an_answer_with_several_faults_is_one_answer(home: Path) -> None:
    rows = [{"qa_id": f"q{n}", "utterance_id": f"u{n}"} for n in range(9)]
    faults = [reject("u0", "no_answer"), reject("u0", "no_answer"), reject("u9", "no_json")]
    verdict = judge(check_parsing, "generated_qa", rows, faults)
    assert "2 of 10 LLM answers" in verdict.description
    assert judge(check_parsing, "generated_qa", rows).severity is None


def test_dropped_pairs_are_counted(home: Path) -> None:
    rows = [
        {"qa_id": f"q{n}", "kept": n > 3, "reason": None if n > 3 else "ungrounded"}
        for n in range(10)
    ]
    verdict = judge(check_dropped, "filtered_qa", rows)
    assert verdict.severity == WARN
    assert verdict.metadata["reasons"] == {"ungrounded": 4}
    assert judge(check_dropped, "filtered_qa", rows[4:]).severity is None


def test_a_context_on_both_sides_is_an_error_and_a_speaker_a_warning(home: Path) -> None:
    train = {"example_id": "1", "split": "train", "speaker": "a", "context": "one"}
    test = {"example_id": "2", "split": "test", "speaker": "b", "context": "two"}
    assert judge(check_splits, "training_examples", [train, test]).severity is None
    shared = judge(check_splits, "training_examples", [train, {**test, "speaker": "a"}])
    assert (shared.severity, shared.metadata["shared_speakers"]) == (WARN, ["a"])
    assert judge(check_splits, "training_examples", [train, {**test, "context": "one"}]).severity
    assert judge(check_splits, "training_examples", [test]).severity == WARN


def test_a_gain_within_chance_is_no_hearing(home: Path) -> None:
    def score(heard: Sequence[float], guessed: Sequence[float]) -> Verdict:
        rows = [
            {"example_id": f"e{n}", "rouge_l": h, "rouge_l_audio_removed": g}
            for n, (h, g) in enumerate(zip(heard, guessed, strict=True))
        ]
        return judge(check_hearing, "rouge_l_scores", rows)

    assert score([1.0] * 9 + [0.0], [0.0] * 10).severity is None
    assert score([1.0, 0.0] * 5, [0.0, 0.9] * 5).severity == WARN
    assert score([], []).severity == WARN


def test_a_gain_is_as_sure_as_there_are_recordings(home: Path) -> None:
    """Five questions about each: alone they would be sure enough."""
    gains = [0.5, 0.5, 0.5, -0.4] * 5
    names = [f"e{n}" for n in range(len(gains))]
    examples = [{"example_id": name, "audio_sha256": str(n % 4)} for n, name in enumerate(names)]
    put(open_workspace(), "training_examples", examples, WHERE)
    asked = {"eval_set": WHERE["corpus"], "eval_language": WHERE["language"]}
    rows = [
        {**asked, "example_id": name, "rouge_l": 0.5 + gain, "rouge_l_audio_removed": 0.5}
        for name, gain in zip(names, gains, strict=True)
    ]
    verdict = judge(check_hearing, "rouge_l_scores", rows)
    assert verdict.severity == WARN
    assert verdict.description.endswith("more, over 4 recordings")
    put(open_workspace(), "training_examples", [], WHERE)
    assert judge(check_hearing, "rouge_l_scores", rows).severity is None


def test_a_context_that_was_trained_on_is_an_error(home: Path) -> None:
    rows = [
        {"example_id": f"e{n}", "contamination": ["context"] if n == 0 else []} for n in range(20)
    ]
    assert judge(check_contamination, "rouge_l_scores", rows).severity == ERROR
    assert judge(check_contamination, "rouge_l_scores", rows[1:]).severity is None


@pytest.mark.parametrize("stage", ["raw_audio", "text_qa", "pseudo_labels", "synthesized_speech"])
def test_what_a_stage_cannot_use_is_always_counted(stage: str) -> None:
    names = {
        key.name for check in checks for key in check.check_keys if key.asset_key.path == [stage]
    }
    assert "few_quarantined" in names


def test_nothing_is_trained_on_what_is_tested(home: Path, tmp_path: Path) -> None:
    """The one check that blocks: here two corpora hold the same text, one of them for testing."""
    for name, split in {"lessons": "train", "exam": "test"}.items():
        record = {
            "id": name,
            "split": split,
            "context": "Abigail bought three red lamps.",
            "questions": [{"question": "What was bought?", "answer": "three red lamps"}],
        }
        register_quiz(tmp_path, [record], name)
        assert not run_stages(Partition(name, "en"), stages_upto("training_examples")).failed
    members = ["lessons", "exam"]
    register(tmp_path, name="both", kind="mixture", languages=["en"], members=members)
    outcome = run_stages(Partition("both", "en"), ["training_examples", "trained_checkpoints"])
    assert outcome.materialised == ("training_examples",)
    assert "1 contexts are in both" in outcome.warnings["training_examples.disjoint_splits"]
