"""Batches: padding, labels, tasks, and what is skipped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ParakeetFeatureExtractor, WhisperFeatureExtractor

from sdg_tests.training.dummies import byte_tokenizer, letter_tokenizer, write_toys
from sdg_training.collator import IGNORED, Batch, Collator, Item, ItemSource, collate_audio
from sdg_training.examples import open_examples
from sdg_training.recipe import AugmentRecipe
from sdg_training.recordings import SAMPLE_RATE, Recordings, Sample
from sdg_training.salm import SALMProcessor
from sdg_training.tasks import TASKS, Task


@pytest.fixture(scope="module")
def processor() -> SALMProcessor:
    extractor = ParakeetFeatureExtractor(feature_size=16)
    return SALMProcessor(extractor, byte_tokenizer(), [(3, 2, 2)] * 3, [(1, 1, 0)])


def collate(
    folder: Path,
    processor: SALMProcessor,
    rows: list[dict[str, Any]],
    max_tokens: int = 500,
    task: Task = "qa",
) -> Batch:
    source = ItemSource(Recordings(open_examples(write_toys(folder, rows)), str(folder)))
    items = [TASKS.index(task) * len(rows) + row for row in range(len(rows))]
    return Collator(processor, max_tokens, "which words?")(source.__getitems__(items))


def test_a_batch_is_padded_on_the_left_and_labels_answers_only(
    tmp_path: Path, processor: SALMProcessor
) -> None:
    answers = ["she", "北京 and more"]
    inputs = collate(tmp_path, processor, [{"answer": answer} for answer in answers]).inputs
    end = processor.end_token_id
    assert end == processor.tokenizer.pad_token_id
    rows = zip(*(inputs[name] for name in ("input_ids", "attention_mask", "labels")), strict=True)
    for (ids, mask, labels), answer, count in zip(rows, answers, (7, 13), strict=True):
        real = ids[mask.bool()]
        assert mask.tolist() == sorted(mask.tolist())  # padding comes first
        prompt = processor.build_prompt("what is said?")
        placeholders = processor.audio_token * count
        text = prompt.replace(processor.audio_token, placeholders) + f"{answer}</s>"
        assert processor.tokenizer.decode(real) == text
        learnt = labels[labels != IGNORED]
        assert processor.tokenizer.decode(learnt) == f"{answer}</s>"
        assert learnt[-1] == labels[-1] == end
        assert labels[~mask.bool()].eq(IGNORED).all()
    assert inputs["logits_to_keep"] == len("北京 and more".encode()) + 2
    assert inputs["input_features"].shape == (2, 101, 16)


def test_each_epoch_changes_recordings_in_its_own_way(tmp_path: Path) -> None:
    recordings = Recordings(open_examples(write_toys(tmp_path, [{}, {}])), str(tmp_path))
    source = ItemSource(recordings, AugmentRecipe(share=1.0))
    first, again, next_epoch = (
        source.__getitems__([row + epoch * 2 * len(TASKS) for row in (0, 1)]) for epoch in (0, 0, 1)
    )
    for row in (0, 1):
        plain, one, same, other = (
            item.sample.audio.tolist()
            for item in (Item(recordings[row], "qa"), first[row], again[row], next_epoch[row])
        )
        assert one == same
        assert plain != one != other != plain


def test_what_is_longer_than_an_encoder_s_window_is_cut(tmp_path: Path) -> None:
    """By a slower speed, or by a row that is a tenth of a second wrong."""
    extractor = WhisperFeatureExtractor()
    processor = SALMProcessor(extractor, byte_tokenizer(), [(3, 2, 2)], [(1, 1, 0)])
    audio = np.zeros(int(30.05 * SAMPLE_RATE), np.float32)
    [example] = open_examples(write_toys(tmp_path, [{}]))
    sample = Sample(example, audio=audio)
    features = Collator(processor, 2000, "which words?")([Item(sample, "qa")]).inputs
    assert features["input_features_mask"].sum() == 3000
    assert collate_audio(processor, [sample])[0]["input_features_mask"].sum() == 3000


@pytest.mark.parametrize("unknown", ["<unk>", "</s>"])
def test_texts_of_an_unknown_script_are_a_skip(tmp_path: Path, unknown: str) -> None:
    """Also where the token of the unknown is the one that every answer ends with."""
    extractor = ParakeetFeatureExtractor(feature_size=16)
    tokenizer = letter_tokenizer(unknown)
    processor = SALMProcessor(extractor, tokenizer, [(3, 2, 2)] * 3, [(1, 1, 0)])
    assert (tokenizer.unk_token_id == processor.end_token_id) == (unknown == "</s>")
    rows = [
        {},
        {"question": "谁在说话?"},
        {"question": "what is 北京?"},  # mostly known
        {"answer": "for 5 €"},
        {"context": "两只狗"},
    ]
    heard = collate(tmp_path, processor, rows)
    assert [example.example_id[-1] for example in heard.examples] == ["0", "2", "4"]
    assert [skip.reason for skip in heard.skips] == ["no_token"] * 2
    assert "most of the question '谁在说话?'" in heard.skips[0].detail
    assert "parts of the answer 'for 5 €'" in heard.skips[1].detail
    read = collate(tmp_path, processor, rows, task="text")
    assert [example.example_id[-1] for example in read.examples] == ["0", "2"]
    assert "most of the context" in read.skips[-1].detail


def test_too_many_tokens_are_a_skip(tmp_path: Path, processor: SALMProcessor) -> None:
    rows = [{"answer": "a"}, {"answer": "b" * 400}, {"answer": "c"}]
    batch = collate(tmp_path, processor, rows, max_tokens=200)
    assert [example.answer for example in batch.examples] == ["a", "c"]
    assert [skip.reason for skip in batch.skips] == ["too_many_tokens"]
    assert len(batch.inputs["input_features"]) == len(batch.inputs["input_ids"]) == 2
    nothing = collate(tmp_path, processor, rows, max_tokens=20)
    assert (nothing.examples, len(nothing.skips)) == ([], 3)
    assert nothing.inputs["labels"].eq(IGNORED).all()  # an update is as long as planned
    assert "input_features" not in nothing.inputs


def test_encoder_states_take_the_place_of_audio(tmp_path: Path, processor: SALMProcessor) -> None:
    examples = open_examples(write_toys(tmp_path, [{}, {}]))
    states = [torch.ones(4, 8), torch.ones(6, 8)]
    batch = Collator(processor, 500, "?")(
        [
            Item(Sample(example, encoder_states=each), "qa")
            for example, each in zip(examples, states, strict=True)
        ]
    )
    assert batch.inputs["encoder_states"].shape == (2, 6, 8)
    assert batch.inputs["encoder_mask"].sum(-1).tolist() == [4, 6]
    placeholders = batch.inputs["input_ids"] == processor.audio_token_id
    assert placeholders.sum(-1).tolist() == [4, 6]


def test_a_recording_s_own_words_are_an_answer(tmp_path: Path, processor: SALMProcessor) -> None:
    inputs = collate(tmp_path, processor, [{"context": "zwei Hunde"}], task="asr").inputs
    learnt = inputs["labels"][inputs["labels"] != IGNORED]
    assert processor.tokenizer.decode(learnt) == "zwei Hunde</s>"
    text = processor.tokenizer.decode(inputs["input_ids"][0])
    assert "which words?" in text
    assert text.count(processor.audio_token) == 7


def test_a_context_is_read_in_the_audio_s_stead(tmp_path: Path, processor: SALMProcessor) -> None:
    rows = [{"context": "两只狗", "answer": "狗", "shard": "absent.tar"}]
    batch = collate(tmp_path, processor, rows, task="text")
    text = processor.tokenizer.decode(batch.inputs["input_ids"][0])
    assert text == processor.build_prompt("what is said?", "两只狗") + "狗</s>"
    assert not {"input_features", "encoder_states"} & batch.inputs.keys()
    assert batch.skips == []  # the recording is not even looked for


def test_with_cross_attention_the_prompt_has_no_audio(
    tmp_path: Path, processor: SALMProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "fusion", "cross_attention")
    inputs = collate(tmp_path, processor, [{}, {}]).inputs
    assert processor.audio_token_id not in inputs["input_ids"]
    assert inputs["input_features"].shape == (2, 101, 16)
    text = processor.tokenizer.decode(inputs["input_ids"][0])
    assert text == processor.build_prompt("what is said?", "") + "nothing</s>"
