"""Recordings of examples, read from the blob store by their bytes in a tar shard."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
import numpy as np
import soundfile
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from sdg_training.examples import MIN_SECONDS, Example, Examples, Skip
from sdg_training.uninterrupted import uninterrupted

SAMPLE_RATE = 16_000  # Hz, of every recording in a shard
_LOUDEST = 2.0**31  # a sample's value, at most: its power is still a number in float32
_TOLERANCE = 0.1  # seconds by which a recording may differ from its row's duration


@dataclass(frozen=True, slots=True)
class Sample:
    """An example with its recording, or with what the encoder made of it; or with neither, where
    its context is read."""

    example: Example
    audio: NDArray[np.float32] | None = None  # (samples,), 16 kHz, -1..1
    encoder_states: Tensor | None = None  # (frames, encoder width)


class Recordings(Dataset):
    """Samples with audio, read from the blob store batch by batch."""

    def __init__(self, examples: Examples, blobs: str) -> None:
        self.examples = examples
        self.blobs = blobs

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skip:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skip]:
        """A whole batch at once, as torch's loader asks for it: the store reads in parallel."""
        examples = self.examples.get(indices)
        filesystem, root = fsspec.core.url_to_fs(self.blobs)
        contents = filesystem.cat_ranges(
            [f"{root}/{example.shard}" for example in examples],
            [example.byte_offset for example in examples],
            [example.byte_offset + example.byte_length for example in examples],
            on_error="return",
        )
        return _decode_all(examples, contents)


@uninterrupted
def _decode_all(
    examples: Sequence[Example], contents: Sequence[bytes | Exception]
) -> list[Sample | Skip]:
    return [decode(*pair) for pair in zip(examples, contents, strict=True)]


def decode(example: Example, content: bytes | Exception) -> Sample | Skip:
    """FLAC bytes to a waveform of (samples,) float32 at 16 kHz, -1..1."""
    if isinstance(content, Exception):
        detail = f"{example.shard} cannot be read: {content}"
        return Skip(example, "missing_audio", detail)
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.SoundFileError as error:
        detail = f"byte {example.byte_offset} of {example.shard} begins no audio file: {error}"
        return Skip(example, "unreadable_audio", detail)
    if rate != SAMPLE_RATE or samples.ndim != 1:
        detail = f"{rate} Hz, {samples.ndim} dimensions; shards hold 16 kHz mono"
        return Skip(example, "wrong_audio_format", detail)
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS or abs(seconds - example.duration) > _TOLERANCE:
        detail = f"{seconds:.2f} s of audio, where the row says {example.duration:.2f} s"
        return Skip(example, "wrong_audio_length", detail)
    loudest = float(np.abs(samples).max())
    if not loudest < _LOUDEST:  # nor is NaN
        detail = f"samples up to {loudest}, of which a model makes no numbers; shards hold -1..1"
        return Skip(example, "unusable_samples", detail)
    return Sample(example, audio=samples)
