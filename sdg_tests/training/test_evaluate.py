"""Scores of a checkpoint."""

import math
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdg_assets.storage.tables import TABLES
from sdg_tests.training.dummies import encode_flac, noise, write_examples
from sdg_training.answering import limit_answers
from sdg_training.answers import score_answer
from sdg_training.checkpoint import (
    CheckpointError,
    build_model,
    load_checkpoint,
    save_checkpoint,
    undo_training,
)
from sdg_training.conditions import column_of
from sdg_training.evaluate import score, shuffle_recordings
from sdg_training.examples import ExamplesError, open_examples
from sdg_training.generate import generate_answers
from sdg_training.recipe import Recipe
from sdg_training.recordings import Recordings, Sample
from sdg_training.rouge import rouge_l


@pytest.fixture(scope="module")
def recipe(encoder: Path, llm: Path) -> Recipe:
    values = {"encoder": str(encoder), "llm": str(llm), "adapter": {"hidden_size": 64}}
    return Recipe.model_validate({**values, "lora": {"rank": 8}, "precision": "float32"})


@pytest.fixture
def examples(tmp_path: Path) -> pa.Table:
    """Two corpora, whose examples have the same ids."""
    recordings = [encode_flac(noise(0.5 + 0.25 * seed, seed)) for seed in range(4)]
    rows = [
        {
            "example_id": f"same-{number % 2}",
            "source_corpus": ("left", "right")[number // 2],
            "duration": 0.5 + 0.25 * number,
            "question": ("who?", "qui?", "誰？", "कौन?")[number],
            "context": ("Anna", "Bruno", "Chiara", None)[number],
        }
        for number in range(4)
    ]
    return write_examples(tmp_path, recordings, rows)


@pytest.fixture
def checkpoint(tmp_path: Path, recipe: Recipe) -> Path:
    """A checkpoint that is not what the recipe's seed makes."""
    model, processor = build_model(recipe.model_copy(update={"seed": 1}))
    save_checkpoint(tmp_path / "checkpoint", model, processor, recipe, {})
    return tmp_path / "checkpoint"


def test_an_llm_s_habits_of_writing_do_not_bend_scores(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    """A penalty on what stands in the prompt would favour what is heard over what is read."""
    model, processor = load_checkpoint(checkpoint)
    samples = [Sample(example) for example in open_examples(examples)]
    contexts = ["who? who? who?"] * len(samples)
    plain = generate_answers(model, processor, samples, 8, contexts)
    model.generation_config.repetition_penalty = 1.8
    model.generation_config.no_repeat_ngram_size = 1
    assert generate_answers(model, processor, samples, 8, contexts) == plain


def test_answers_may_be_as_long_as_the_right_ones(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    _, processor = load_checkpoint(checkpoint)
    assert limit_answers(open_examples(examples), processor) == 64
    rows = [{**row, "answer": "दिल्ली" * 10} for row in examples.to_pylist()]
    long = limit_answers(open_examples(pa.Table.from_pylist(rows)), processor)
    assert long == math.ceil(1.25 * len(("दिल्ली" * 10).encode()))  # a token for each byte


def test_the_table_has_the_lake_s_columns(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    scores = score(checkpoint, examples, str(tmp_path), max_new_tokens=5, batch_size=3)
    names = TABLES["rouge_l_scores"].names  # the last one is the stage's
    assert scores.table.column_names == names[names.index("eval_set") : -1]
    expected = [TABLES["rouge_l_scores"].field(name).type for name in scores.table.column_names]
    assert scores.table.schema.types == expected
    assert scores.table["eval_set"].to_pylist() == ["left", "left", "right", "right"]
    assert scores.table["example_id"].to_pylist() == ["same-0", "same-1"] * 2
    contexts = {row["question"]: row["context"] for row in examples.to_pylist()}
    for row in scores.table.to_pylist():
        for condition in ("trained", "audio_removed", "audio_shuffled", "untrained"):
            prediction = row[column_of("prediction", condition)]
            expected_score = rouge_l(prediction, row["reference"]).fmeasure
            assert row[column_of("rouge_l", condition)] == expected_score
            expected = asdict(score_answer(prediction, row["reference"], contexts[row["question"]]))
            scored = {name: row[column_of(name, condition)] for name in expected}
            assert scored == expected
        assert row["bleu_cascade"] is None


def test_every_condition_is_the_model_s_own_answer(
    tmp_path: Path, checkpoint: Path, examples: pa.Table, recipe: Recipe
) -> None:
    table = score(checkpoint, examples, str(tmp_path), max_new_tokens=5, batch_size=3).table
    samples = Recordings(open_examples(examples), str(tmp_path)).__getitems__(range(4))
    alone = [[sample] for sample in samples if isinstance(sample, Sample)]
    models = {
        "prediction": load_checkpoint(checkpoint),
        "prediction_untrained": build_model(recipe),
    }
    for column, (model, processor) in models.items():
        answers = [generate_answers(model, processor, one, 5)[0] for one in alone]
        assert table[column].to_pylist() == answers
    model, processor = models["prediction"]
    answers = [generate_answers(model, processor, one, 5, contexts=[""])[0] for one in alone]
    assert table["prediction_audio_removed"].to_pylist() == answers


def test_a_condition_that_is_not_asked_for_is_null(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    pq.write_table(examples, tmp_path / "examples.parquet")
    path = str(tmp_path / "examples.parquet")
    table = score(checkpoint, path, str(tmp_path), ["audio_removed"], max_new_tokens=3).table
    assert table["prediction"].null_count == table["rouge_l_untrained"].null_count == 4
    assert table["prediction_audio_removed"].null_count == 0


def test_what_cannot_be_heard_has_no_row_and_a_reason(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    rows = examples.to_pylist()
    rows[0]["byte_length"] = 30
    rows[3]["answer"] = ""
    scores = score(checkpoint, pa.Table.from_pylist(rows), str(tmp_path), max_new_tokens=3)
    assert scores.table["eval_set"].to_pylist() == ["left", "right"]
    assert scores.skips.count() == {"unreadable_audio": 1, "empty_answer": 1}
    rows[1]["shard"] = rows[2]["shard"] = "absent.tar"
    with pytest.raises(ExamplesError, match="no example to use"):
        score(checkpoint, pa.Table.from_pylist(rows), str(tmp_path))


def test_an_encoder_that_was_trained_is_undone_too(recipe: Recipe) -> None:
    listening = recipe.model_copy(update={"freeze_encoder": False})
    model, _ = build_model(listening)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data.add_(1.0)
    undo_training(model, listening)
    assert all(before[name].equal(weight) for name, weight in model.state_dict().items())


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path, examples: pa.Table) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json and no recipe\.json"):
        score(tmp_path, examples, str(tmp_path))


def test_a_cascade_is_the_llm_as_it_was_reading_what_was_recognised(
    tmp_path: Path, checkpoint: Path, examples: pa.Table, recipe: Recipe
) -> None:
    rows = open_examples(examples)
    texts = {row.recording: f"words {number}" for number, row in enumerate(rows)}
    scores = score(
        checkpoint, examples, str(tmp_path), ["cascade"], asr_texts=texts, max_new_tokens=5
    )
    assert scores.table["asr_text"].to_pylist() == [f"words {number}" for number in range(4)]
    model, processor = build_model(recipe)  # its LoRA adds nothing yet
    for row, example in zip(scores.table.to_pylist(), rows, strict=True):
        context = [texts[example.recording]]
        [answer] = generate_answers(model, processor, [Sample(example)], 5, context)
        assert row["prediction_cascade"] == answer
        assert row["prediction"] is None


def test_what_a_recognizer_does_wrong_costs_no_other_condition(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    recordings = [row.recording for row in open_examples(examples)]
    texts = dict.fromkeys(recordings, "words")
    texts[recordings[0]] = "la " * 100_000  # it loops
    texts[recordings[1]] = "<|audio|> or what?"
    scores = score(
        checkpoint, examples, str(tmp_path), ["trained", "cascade"], asr_texts=texts,
        max_new_tokens=5,
    )  # fmt: skip
    assert scores.skips.count() == {}
    rows = scores.table.to_pylist()
    assert [row["prediction"] is None for row in rows] == [False] * 4
    assert [row["rouge_l_cascade"] is None for row in rows] == [True, False, False, False]


def test_where_nothing_was_scored_there_is_no_mean(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    scores = score(checkpoint, examples.slice(0, 1), str(tmp_path), ["audio_shuffled"])
    assert math.isnan(scores.mean("audio_shuffled"))


def test_a_cascade_without_a_recognizer_is_an_error(checkpoint: Path, examples: pa.Table) -> None:
    with pytest.raises(ValueError, match="needs asr_texts"):
        score(checkpoint, examples, "", ["cascade"])


def test_everyone_hears_another_recording_of_their_language(tmp_path: Path) -> None:
    rows = [
        {
            "source_language": ("de", "hi", "zh")[n % 5 // 2],
            "recording": n % 15,
            "context": f"number {n % 15}",
            "question": f"which is {n}?",
        }
        for n in range(30)
    ]
    audio = [encode_flac(noise(0.5, seed)) for seed in range(15)]
    rows_of = list(open_examples(write_examples(tmp_path, audio, rows)))
    heard = shuffle_recordings(rows_of, seed=0)
    for row, other in enumerate(heard):
        assert other is not None
        assert rows_of[row].recording != rows_of[other].recording
        assert rows_of[row].source_language == rows_of[other].source_language
    assert heard == shuffle_recordings(rows_of, seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_what_says_the_same_is_passed_over(tmp_path: Path, seed: int) -> None:
    rows = [
        {"context": "Anna bought a lamp."},
        {"context": "anna bought a LAMP"},  # another recording of the text
        {"context": "Bruno sings", "question": "Is it day?", "answer": "Yes."},
        {"context": None, "question": "is it day?", "answer": "yes"},  # the same, for all we know
        {"context": None, "question": "Is it day?", "answer": "No"},
        {"recording": 4, "context": None, "question": "Who sings?", "answer": "Anna"},
        {"source_language": "hi", "recording": 5, "context": "alone"},
    ]
    rows = [{"question": f"question {n}", **row} for n, row in enumerate(rows)]
    audio = [encode_flac(noise(0.5, number)) for number in range(6)]
    heard = shuffle_recordings(list(open_examples(write_examples(tmp_path, audio, rows))), seed)
    assert heard[-1] is None  # there is no other
    for pair in ({0, 1}, {2, 3}, {4, 5}):
        for row in pair:
            assert heard[row] is not None
            assert heard[row] not in pair
    assert (
        shuffle_recordings(list(open_examples(write_examples(tmp_path, audio, rows[:2]))), seed)
        == [None] * 2
    )
    twice = [{"recording": 0, "context": None, "question": "what?"}, rows[0], rows[1]]
    table = write_examples(
        tmp_path, audio, [{"recording": n // 2, **r} for n, r in enumerate(twice)]
    )
    assert shuffle_recordings(list(open_examples(table)), seed) == [None] * 3


def test_without_another_recording_there_is_no_score_of_shuffled_ones(
    tmp_path: Path, checkpoint: Path, examples: pa.Table
) -> None:
    rows = [
        {**row, "source_language": language}
        for row, language in zip(examples.to_pylist(), ("de", "en", "en", "hi"), strict=True)
    ]
    scores = score(
        checkpoint,
        pa.Table.from_pylist(rows),
        str(tmp_path),
        ["audio_shuffled"],
        max_new_tokens=3,
        batch_size=1,
    )
    missing = [value is None for value in scores.table["rouge_l_audio_shuffled"].to_pylist()]
    assert missing == [True, False, False, True]
    assert scores.table["prediction_audio_shuffled"].null_count == 2
    assert len(scores.skips) == 0


def test_beams_are_at_least_as_likely(tmp_path: Path, checkpoint: Path, examples: pa.Table) -> None:
    tables = [
        score(checkpoint, examples, str(tmp_path), ["trained"], max_new_tokens=5, num_beams=beams)
        for beams in (1, 3)
    ]
    greedy, beams = (scores.table["prediction"].to_pylist() for scores in tables)
    assert greedy != beams
    model, processor = load_checkpoint(checkpoint)
    samples = Recordings(open_examples(examples), str(tmp_path)).__getitems__(range(4))
    together = generate_answers(model, processor, samples, 5, num_beams=3)
    assert together == beams
