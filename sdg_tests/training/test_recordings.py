"""Audio by its bytes in a shard."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader
from transformers import ParakeetFeatureExtractor

from sdg_tests.training.dummies import (
    byte_tokenizer,
    encode_flac,
    noise,
    write_examples,
    write_toys,
)
from sdg_training.collator import Collator, ItemSource
from sdg_training.examples import Skip, open_examples
from sdg_training.recordings import Recordings, Sample
from sdg_training.salm import SALMProcessor


@pytest.fixture(scope="module")
def processor() -> SALMProcessor:
    extractor = ParakeetFeatureExtractor(feature_size=16)
    return SALMProcessor(extractor, byte_tokenizer(), [(3, 2, 2)] * 3, [(1, 1, 0)])


def test_recordings_are_read_by_their_bytes(tmp_path: Path) -> None:
    examples = open_examples(write_toys(tmp_path, [{}] * 4))
    recordings = Recordings(examples, f"file://{tmp_path}")
    samples = recordings.__getitems__([2, 0])
    for sample, seconds, seed in zip(samples, (1.5, 0.5), (2, 0), strict=True):
        assert isinstance(sample, Sample)
        assert sample.audio is not None
        np.testing.assert_allclose(sample.audio, noise(seconds, seed), atol=1e-4)


def test_what_cannot_be_heard_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    whole = encode_flac(noise(1.0, 0))
    recordings = [
        whole,
        b"no audio at all" * 100,
        whole[: len(whole) // 3],
        encode_flac(noise(1.0, 1), rate=8_000),
        encode_flac(np.zeros((16_000, 2), np.float32)),
        encode_flac(noise(0.5, 2)),
        encode_flac(np.zeros(0, np.float32)),
        whole,
        whole,
    ]
    rows: list[dict[str, Any]] = [{} for _ in recordings]
    rows[7]["shard"] = "absent.tar"
    rows[8]["byte_offset"] = 10**9
    table = write_examples(tmp_path, recordings, rows)
    first, *others = Recordings(open_examples(table), str(tmp_path)).__getitems__(range(9))
    assert isinstance(first, Sample)
    assert [skip.reason for skip in others if isinstance(skip, Skip)] == [
        "unreadable_audio",
        "unreadable_audio",
        "wrong_audio_format",
        "wrong_audio_format",
        "wrong_audio_length",
        "unreadable_audio",
        "missing_audio",
        "unreadable_audio",
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_samples_that_are_no_numbers_are_a_skip(tmp_path: Path, value: float) -> None:
    samples = noise(1.0, 0)
    samples[800] = value
    stream = io.BytesIO()
    soundfile.write(stream, samples, 16_000, format="WAV", subtype="FLOAT")
    table = write_examples(tmp_path, [stream.getvalue()], [{}])
    [skip] = Recordings(open_examples(table), str(tmp_path)).__getitems__([0])
    assert isinstance(skip, Skip)
    assert skip.reason == "unusable_samples"


def test_processes_read_as_one_does(tmp_path: Path, processor: SALMProcessor) -> None:
    source = ItemSource(Recordings(open_examples(write_toys(tmp_path, [{}] * 6)), str(tmp_path)))
    plan = [[0, 5], [3], [1, 2, 4]]
    loaders = [
        DataLoader(source, batch_sampler=plan, collate_fn=Collator(processor, 500, "?"), **how)
        for how in ({}, {"num_workers": 2, "multiprocessing_context": "fork"})
    ]
    for alone, together in zip(*loaders, strict=True):
        assert alone.examples == together.examples
        assert alone.inputs["input_features"].equal(together.inputs["input_features"])
