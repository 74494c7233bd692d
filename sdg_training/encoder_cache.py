"""What a frozen speech encoder makes of each recording, computed once for all epochs."""

import errno
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sdg_training.batches import plan_batches
from sdg_training.collator import collate_audio
from sdg_training.examples import Skip
from sdg_training.recipe import Recipe
from sdg_training.recordings import Recordings, Sample
from sdg_training.reporting import Progress, Reporter
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

Key = tuple[str, int]  # of a recording: its shard and offset


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the file some states are."""

    offset: int
    shape: tuple[int, int]


class EncoderCache:
    """Encoder states (frames, width) by recording, in float16.

    They stay in memory up to ``max_bytes``; the rest goes to a temporary file, which vanishes with
    the cache.
    """

    def __init__(self, max_bytes: float) -> None:
        self.num_bytes = 0  # in memory and in the file
        self._max_bytes = max_bytes
        self._entries: dict[Key, Tensor | _Place] = {}
        self._file = tempfile.TemporaryFile(prefix="encoder-states-")  # noqa: SIM115
        self._file_size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Key, states: Tensor) -> None:
        half = states.to("cpu", torch.float16).contiguous()
        self.num_bytes += half.nbytes
        if self.num_bytes <= self._max_bytes:
            self._entries[key] = half.clone()  # not a view that keeps its whole batch alive
            return
        if os.pwrite(self._file.fileno(), half.numpy().tobytes(), self._file_size) < half.nbytes:
            raise OSError(errno.ENOSPC, "no room for the encoder's states", tempfile.gettempdir())
        self._entries[key] = _Place(self._file_size, (half.shape[0], half.shape[1]))
        self._file_size += half.nbytes

    def get(self, key: Key) -> Tensor:
        entry = self._entries[key]
        if isinstance(entry, Tensor):
            return entry
        num_bytes = 2 * entry.shape[0] * entry.shape[1]
        content = bytearray(os.pread(self._file.fileno(), num_bytes, entry.offset))
        return torch.frombuffer(content, dtype=torch.float16).view(entry.shape)


class EncodedRecordings(Dataset):
    """Samples with encoder states in the place of audio."""

    def __init__(self, recordings: Recordings, cache: EncoderCache) -> None:
        self.examples = recordings.examples
        self.cache = cache
        # Recordings that cannot be used, and for what reason, with its detail.
        self.faults: dict[Key, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skip:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skip]:
        return [
            Skip(example, *self.faults[example.recording])
            if example.recording in self.faults
            else Sample(example, encoder_states=self.cache.get(example.recording))
            for example in self.examples.get(indices)
        ]


def encode_recordings(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    recordings: Recordings,
    recipe: Recipe,
    reporter: Reporter,
) -> EncodedRecordings:
    """Runs the encoder over each recording once, however many questions there are about it."""
    started = time.monotonic()
    unique = recordings.examples.find_recordings()
    lengths = recordings.examples.durations[unique] * processor.audio_tokens_per_second
    plan = plan_batches(lengths, recipe.batch_size, recipe.batch_tokens)
    loader = DataLoader(
        recordings,
        batch_sampler=[unique[batch].tolist() for batch in plan],
        collate_fn=list,
        num_workers=recipe.num_workers,
    )
    encoded = EncodedRecordings(recordings, EncoderCache(recipe.cache_gigabytes * 2**30))
    for batch, samples in zip(plan, loader, strict=True):
        examples = recordings.examples.get(unique[batch].tolist())
        for example, sample in zip(examples, samples, strict=True):
            if isinstance(sample, Skip):
                encoded.faults[example.recording] = (sample.reason, sample.detail)
        _encode(model, processor, [s for s in samples if isinstance(s, Sample)], encoded.cache)
        done, seconds = len(encoded.cache) + len(encoded.faults), time.monotonic() - started
        reporter.progress(Progress("encoding", done, len(unique), "recordings", seconds))
    return encoded


@torch.no_grad()
def _encode(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    samples: Sequence[Sample],
    cache: EncoderCache,
) -> None:
    if not samples:
        return
    features, _ = collate_audio(processor, samples)
    inputs = {name: tensor.to(model.device) for name, tensor in features.items()}
    states, mask = model.encode(**inputs)  # (B, T, D), (B, T)
    for sample, sample_states, sample_mask in zip(samples, states, mask, strict=True):
        cache.put(sample.example.recording, sample_states[sample_mask])
