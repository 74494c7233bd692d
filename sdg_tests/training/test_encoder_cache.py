"""Encoder states, computed once and kept."""

from pathlib import Path

import pytest
import torch

from sdg_tests.training.dummies import encode_flac, noise, write_examples
from sdg_tests.training.salm.test_modeling_salm import build
from sdg_training.encoder_cache import EncoderCache, encode_recordings
from sdg_training.examples import Skip, open_examples
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
