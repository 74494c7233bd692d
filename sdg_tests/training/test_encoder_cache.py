"""Encoder states, computed once and kept."""

import resource
from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from sdg_tests.training.dummies import encode_flac, noise, write_examples
from sdg_tests.training.salm.test_modeling_salm import build
from sdg_training.encoder_cache import EncoderCache, encode_recordings
from sdg_training.examples import Skip, open_examples
from sdg_training.generate import generate_answers
from sdg_training.recipe import Recipe
from sdg_training.recordings import Recordings, Sample
from sdg_training.reporting import Progress


class Recorder:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[Progress] = []

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def log(self, message: str) -> None: ...

    def finish(self, result: object) -> None: ...


@pytest.mark.parametrize("max_bytes", [0, 100, 10_000])
def test_states_come_back_from_memory_and_from_the_file(max_bytes: int) -> None:
    cache = EncoderCache(max_bytes)
    states = {("shard", i): torch.randn(i + 1, 8).half().float() for i in range(9)}
    for key, tensor in states.items():
        cache.put(key, tensor)
    assert len(cache) == 9
    assert cache.num_bytes == 2 * 8 * 45
    for key, tensor in reversed(states.items()):
        assert cache.get(key).float().equal(tensor)


def test_a_full_disk_is_noticed_where_it_is_written() -> None:
    cache = EncoderCache(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="no room for the encoder's states"):
            cache.put(("shard", 0), torch.randn(100, 8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_each_recording_is_encoded_once(encoder: Path, llm: Path, tmp_path: Path) -> None:
    recordings = [encode_flac(noise(seconds, 0)) for seconds in (1.0, 0.6, 0.8)]
    recordings[1] = b"no audio"
    rows = [
        {"recording": number, "duration": (1.0, 0.6, 0.8)[number]} for number in (0, 0, 1, 2, 2, 1)
    ]
    examples = open_examples(write_examples(tmp_path, recordings, rows))
    model, processor = build(encoder, llm)
    recorder = Recorder()
    encoded = encode_recordings(
        model, processor, Recordings(examples, str(tmp_path)), Recipe(batch_size=2), recorder
    )
    assert (len(encoded.cache), len(encoded.faults)) == (2, 1)
    assert (recorder.steps[-1].done, recorder.steps[-1].total) == (3, 3)
    samples = encoded.__getitems__(range(6))
    skips = [sample for sample in samples if isinstance(sample, Skip)]
    assert [skip.example_id for skip in skips] == ["example-2", "example-5"]
    for row in (0, 1, 3, 4):
        sample = samples[row]
        assert isinstance(sample, Sample)
        [audio] = Recordings(examples, str(tmp_path)).__getitems__([row])
        assert isinstance(audio, Sample)
        with torch.no_grad():
            states, _ = model.encode(**processor.extract_features([audio.audio]))
        expected = states[0, : processor.count_states(int(sample.example.duration * 100))]
        torch.testing.assert_close(sample.encoder_states.float(), expected, atol=2e-3, rtol=2e-3)


def test_a_recording_a_little_longer_than_the_window_is_cut(tmp_path: Path, llm: Path) -> None:
    """By a row that says less than the file has: as where it is not kept."""
    folder = save_whisper(tmp_path / "whisper")
    table = write_examples(tmp_path, [encode_flac(noise(2.05, 0))], [{"duration": 2.0}])
    recordings = Recordings(open_examples(table), str(tmp_path))
    model, processor = build(folder, llm)
    assert processor.max_seconds == 2.0
    encoded = encode_recordings(model, processor, recordings, Recipe(), Recorder())
    [kept] = encoded.__getitems__([0])
    [heard] = recordings.__getitems__([0])
    assert isinstance(kept, Sample)
    assert isinstance(heard, Sample)
    assert kept.encoder_states is not None
    assert len(kept.encoder_states) == 100
    assert isinstance(generate_answers(model, processor, [heard], 3)[0], str)


def save_whisper(folder: Path) -> Path:
    """A random Whisper that hears two seconds."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=16,
        max_source_positions=100, vocab_size=10, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    return folder
