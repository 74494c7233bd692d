"""The README of a checkpoint."""

from pathlib import Path

import yaml

from sdg_training.code_version import find_code_version
from sdg_training.lineage import Contamination, Lineage
from sdg_training.model_card import write_model_card
from sdg_training.recipe import Recipe

LINEAGE = Lineage(
    checkpoint_id="abc",
    corpus="talks",
    language="mul",
    snapshot=42,
    run_id="run-1",
    code_version="0.1.0",
    contamination={
        "quiz": Contamination(
            examples=7,
            exact_contexts=1,
            exact_answers=2,
            ngram_contexts=0.125,
            ngram_answers=0,
            speakers=("voice-3",),
        )
    },
)
COMPOSITION = {
    "method": {"tts": 3, "pseudo": 2},
    "corpus": {"xquad": 3, "talks": 2},
    "language": {"hi": 4, "zh": 1},
    "speaker": {f"voice-{number}": 20 - number for number in range(15)},
}
METRICS = {
    "composition": COMPOSITION,
    "examples": 5,
    "table": "talks.parquet",
    "table_digest": "0123456789abcdef",
    "code_version": "0.1.0+ab",
    "final_loss": 0.25,
    "skipped": {"empty_answer": 1},
    "loss": [1.0] * 500,
}


def test_it_says_where_the_data_came_from() -> None:
    card = write_model_card(Recipe(llm="some/llm"), METRICS, LINEAGE)
    front, body = card.split("---\n", 2)[1:]
    metadata = yaml.safe_load(front)
    assert metadata["language"] == ["hi", "zh"]
    assert metadata["datasets"] == ["talks", "xquad"]
    assert metadata["base_model"] == ["some/llm"]
    for fact in (
        "`talks|mul`, at version 42", "| pseudo | 2 |", "15 speakers or voices", "voice-9 (11)",
        "| quiz | 7 | 0 | 1 | 12.5% | 2 | 0.0% | 1 |", "| skipped | {'empty_answer': 1} |",
        "llm: some/llm", "SALM",
    ):  # fmt: skip
        assert fact in body
    assert "voice-10" not in body
    assert "1.0, 1.0" not in body  # no raw curves


def test_without_lineage_it_says_what_it_knows() -> None:
    recipe = Recipe.model_validate({"fusion": {"type": "cross_attention"}, "freeze_encoder": False})
    card = write_model_card(recipe, METRICS, None)
    assert "SALM-XATT" in card
    assert "(trained)" in card
    assert "The table `talks.parquet` (digest `0123456789ab`), by sdg 0.1.0+ab. Examples" in card
    assert "## Contamination" not in card


def test_other_code_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("a")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "world.py").write_text("a")
    before = find_code_version.__wrapped__(tmp_path)
    (tmp_path / "tiny" / "world.py").write_text("b")
    assert find_code_version.__wrapped__(tmp_path) == before
    (tmp_path / "train.py").write_text("b")
    assert find_code_version.__wrapped__(tmp_path) != before
