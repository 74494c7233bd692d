"""How a trace reads on a terminal."""

import json
from datetime import UTC, datetime

from sdg_assets.commands.trace import describe_recipe, render
from sdg_assets.trace import Step
from sdg_training.recipe import Recipe

HASH = "0123456789abcdef" * 4
PARTITION = {"corpus": "talks", "language": "en"}


def test_long_values_are_indented_and_unbroken() -> None:
    facts = {**PARTITION, "source_sha256": HASH, "text": "one two three " * 20}
    lines = list(render([Step("raw_audio", facts)], width=70))
    assert all(line.startswith(" ") for line in lines[1:])
    assert sum(HASH in line for line in lines) == 1
    assert all(len(line.replace("[dim]", "").replace("[/dim]", "")) <= 70 for line in lines)


def test_a_checkpoint_shows_figures_and_not_curves() -> None:
    metrics = {"loss": [0.123456] * 500, "final_loss": 0.0186, "seconds": 298.8}
    recipe = Recipe(epochs=5, lora={"rank": 0})
    facts = {**PARTITION, "metrics": json.dumps(metrics), "recipe": recipe.model_dump_json()}
    made = {"run_id": "r1", "finished_at": datetime(2026, 1, 2, tzinfo=UTC)}
    text = "\n".join(render([Step("trained_checkpoints", facts, made)], width=100))
    assert "final_loss 0.0186, seconds 298.8" in text
    assert "0.1234" not in text
    assert describe_recipe(json.loads(recipe.model_dump_json())) in text
    assert "by run r1" in text
    assert len(text) < 500


def test_a_recipe_is_what_differs_from_the_defaults() -> None:
    recipe = Recipe(epochs=5, lora={"rank": 0}).model_dump(mode="json")
    assert describe_recipe({**recipe, "gone": 1}) == "{lora: {rank: 0}, epochs: 5, gone: 1}"


def test_many_rows_are_one_line_each_and_the_rest_is_counted() -> None:
    rows = [
        Step("filtered_qa", {**PARTITION, "qa_id": f"u#{n}", "kept": True, "verdict": "[yes]"})
        for n in range(20)
    ]
    heading, columns, *lines = render(rows, width=100)
    assert "20 rows" in heading
    assert "qa_id" in columns
    assert lines[0] == "    u#0 · True · \\[yes]"
    assert lines[-1] == "    ... and 12 more: --format json shows all"


def test_a_fact_is_not_told_twice() -> None:
    shared = {**PARTITION, "context": "The lamp is red."}
    steps = [Step("generated_qa", {**shared, "qa_id": "a"}), Step("filtered_qa", {**shared})]
    text = "\n".join(render(steps, width=100))
    assert text.count("The lamp is red.") == 1


def test_a_note_is_shown() -> None:
    step = Step("raw_audio", {**PARTITION, "split": "train"}, note="re-made since: ...")
    assert "re-made since" in "\n".join(render([step], width=100))
