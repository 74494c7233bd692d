"""Training examples: rows of a table, recordings in tar shards, batches of like lengths.

The rows stay in Arrow; a recording is read when its batch is due, by its bytes in a shard. What
cannot be used becomes a :class:`Skip` with its reason, and the rest goes on.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from sdg_training.salm.processing_salm import EncodedText, SALMProcessor, Waveform

SAMPLE_RATE = 16_000  # Hz, of every recording in a shard
MIN_SECONDS = 0.1  # shorter audio gives a feature extractor too few frames to normalise
IGNORED = -100  # the label of a token that no loss is computed for
_TOLERANCE = 0.1  # seconds by which a recording may differ from its row's duration
_WINDOW = 64  # batches that are sorted by length together


class ExamplesError(ValueError):
    """The table cannot be used at all: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a recording, which is ``byte_length`` bytes of FLAC in ``shard``."""

    example_id: str
    method: str
    source_corpus: str
    source_language: str
    speaker: str | None
    question: str
    answer: str
    shard: str
    byte_offset: int
    byte_length: int
    duration: float  # seconds

    @property
    def key(self) -> tuple[str, str, str]:
        """Unlike ``example_id``, unique where several corpora and languages are united."""
        return (self.source_corpus, self.source_language, self.example_id)

    @property
    def recording(self) -> tuple[str, int]:
        """The same for all questions about one recording."""
        return (self.shard, self.byte_offset)


COLUMNS = tuple(field.name for field in fields(Example))


@dataclass(frozen=True, slots=True)
class Skip:
    """Why an example was not used."""

    example: Example
    reason: str  # a short stable code: "empty_answer", "unreadable_audio"
    detail: str  # a sentence for a person

    @property
    def example_id(self) -> str:
        return self.example.example_id


@dataclass(frozen=True, slots=True)
class Sample:
    """An example with its recording, or with what the encoder made of it."""

    example: Example
    audio: Waveform | None = None
    encoder_states: Tensor | None = None  # (frames, encoder width)


@dataclass(frozen=True, slots=True)
class Batch:
    """The model's inputs for ``examples``, and what else was to be in the batch."""

    examples: list[Example]
    inputs: dict[str, Any]
    skips: list[Skip]


class SkipLog:
    """Skipped examples, each once, however many epochs it was met in."""

    def __init__(self) -> None:
        self._skips: dict[tuple[str, str, str], Skip] = {}

    def __len__(self) -> int:
        return len(self._skips)

    def __contains__(self, example: Example) -> bool:
        return example.key in self._skips

    @property
    def examples(self) -> list[Skip]:
        return list(self._skips.values())

    def add(self, skips: Iterable[Skip]) -> None:
        for skip in skips:
            self._skips.setdefault(skip.example.key, skip)

    def count(self) -> dict[str, int]:
        """Examples by reason, the most frequent first."""
        return dict(Counter(skip.reason for skip in self._skips.values()).most_common())

    def describe(self) -> list[str]:
        """One line per reason, with an example of it."""
        first = {skip.reason: skip for skip in reversed(self.examples)}
        return [
            f"skipped {count} ({reason}), for one {first[reason].example_id}: "
            f"{first[reason].detail}"
            for reason, count in self.count().items()
        ]


def read_examples(path: str) -> pa.Table:
    """The columns that training needs, of a Parquet or Arrow file or of a folder of Parquet files.

    Raises:
        ExamplesError: there is no such table, or it lacks a column.
    """
    try:
        layout = "ipc" if path.endswith((".arrow", ".feather")) else "parquet"
        return select_columns(pyarrow.dataset.dataset(path, format=layout).to_table(), path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ExamplesError(f"{path} cannot be read as a table of examples: {error}") from error


def select_columns(table: pa.Table, name: str = "the table of examples") -> pa.Table:
    """``table`` with :data:`COLUMNS` alone."""
    if missing := set(COLUMNS) - set(table.column_names):
        raise ExamplesError(
            f"{name} lacks the columns {', '.join(sorted(missing))}; "
            f"it needs {', '.join(COLUMNS)}, as the asset training_examples has them"
        )
    return table.select(COLUMNS)


def get_examples(table: pa.Table, indices: Sequence[int]) -> list[Example]:
    rows = table.take(pa.array(indices, pa.int64())).to_pylist()
    return [Example(**row) for row in rows]


def iterate_examples(table: pa.Table) -> Iterator[Example]:
    for batch in table.to_batches(max_chunksize=1000):
        yield from (Example(**row) for row in batch.to_pylist())


def find_fault(example: Example, audio_token: str, max_seconds: float) -> Skip | None:
    """What in the row alone makes an example unfit."""
    for name in ("question", "answer"):
        text = getattr(example, name)
        if not text or not text.strip():
            return Skip(example, f"empty_{name}", f"the {name} is empty")
        if audio_token in text:
            detail = f"the {name} holds the audio placeholder {audio_token}"
            return Skip(example, "placeholder_in_text", detail)
    if example.duration < MIN_SECONDS:
        detail = f"{example.duration:.2f} s of audio, less than {MIN_SECONDS:g} s"
        return Skip(example, "audio_too_short", detail)
    if example.duration > max_seconds:
        detail = f"{example.duration:.1f} s of audio, over the limit of {max_seconds:g} s"
        return Skip(example, "audio_too_long", detail)
    return None


def select_usable(
    table: pa.Table, audio_token: str, max_seconds: float, skips: SkipLog
) -> pa.Table:
    """The rows without a fault of their own; the others are counted.

    Raises:
        ExamplesError: no row is left.
    """
    for example in iterate_examples(table):
        if fault := find_fault(example, audio_token, max_seconds):
            skips.add([fault])
    return select_unskipped(table, skips)


def select_unskipped(table: pa.Table, skips: SkipLog) -> pa.Table:
    """The rows that no fault was met in.

    Raises:
        ExamplesError: no row is left.
    """
    if len(skips):
        kept = [example not in skips for example in iterate_examples(table)]
        table = table.filter(pa.array(kept, pa.bool_()))
    if table.num_rows == 0:
        reasons = "; ".join(skips.describe()) or "the table has no rows"
        raise ExamplesError(f"there is no example to use: {reasons}")
    return table


class Recordings(Dataset):
    """Samples with audio, read from the blob store batch by batch.

    Processes that read at once may share it: what it holds can be pickled.
    """

    def __init__(self, table: pa.Table, blobs: str) -> None:
        self.table = table
        self.blobs = blobs

    def __len__(self) -> int:
        return self.table.num_rows

    def __getitem__(self, index: int) -> Sample | Skip:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skip]:
        """A whole batch at once, as torch's loader asks for it: the store reads in parallel."""
        examples = get_examples(self.table, indices)
        filesystem, root = fsspec.core.url_to_fs(self.blobs)
        contents = filesystem.cat_ranges(
            [f"{root}/{example.shard}" for example in examples],
            [example.byte_offset for example in examples],
            [example.byte_offset + example.byte_length for example in examples],
            on_error="return",
        )
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
    return Sample(example, audio=samples)


class Collator:
    """Samples to a batch: features or encoder states, prompt and answer, padded on the left.

    Padding on the left puts all answers at the end, so that logits are computed for these alone.

    Args:
        max_tokens: longer examples, audio embeddings included, are skipped.
    """

    def __init__(self, processor: SALMProcessor, max_tokens: int) -> None:
        self.processor = processor
        self.max_tokens = max_tokens
        self._encode_text = lru_cache(maxsize=100_000)(processor.encode_text)

    def __call__(self, samples: Sequence[Sample | Skip]) -> Batch:
        skips = [sample for sample in samples if isinstance(sample, Skip)]
        usable = [sample for sample in samples if isinstance(sample, Sample)]
        if not usable:
            return Batch([], {}, skips)
        audio, counts = collate_audio(self.processor, usable)
        texts = [self._encode_text(s.example.question, s.example.answer) for s in usable]
        faults = [self._find_fault(*each) for each in zip(usable, texts, counts, strict=True)]
        kept = [index for index, fault in enumerate(faults) if fault is None]
        inputs = {name: tensor[kept] for name, tensor in audio.items()}
        if kept:
            inputs |= collate_text(
                [texts[index] for index in kept],
                [self.processor.count_placeholders(counts[index]) for index in kept],
                self.processor.audio_token_id,
                self.processor.pad_token_id,
            )
        skips += [fault for fault in faults if fault is not None]
        return Batch([usable[index].example for index in kept], inputs, skips)

    def _find_fault(self, sample: Sample, text: EncodedText, num_audio_tokens: int) -> Skip | None:
        total = len(text) + self.processor.count_placeholders(num_audio_tokens)
        if num_audio_tokens == 0:
            detail = f"{sample.example.duration:.2f} s make no audio embedding at all"
            return Skip(sample.example, "audio_too_short", detail)
        if total > self.max_tokens:
            detail = f"{total} tokens, over the limit of {self.max_tokens}"
            return Skip(sample.example, "too_many_tokens", detail)
        return None


def collate_audio(
    processor: SALMProcessor, samples: Sequence[Sample]
) -> tuple[dict[str, Tensor], list[int]]:
    """Features or encoder states of the recordings, and the audio embeddings of each to be."""
    states = [sample.encoder_states for sample in samples if sample.encoder_states is not None]
    if states:
        num_states = torch.tensor([len(each) for each in states])
        inputs = {
            "encoder_states": pad_sequence(states, batch_first=True),  # (B, T, D)
            "encoder_mask": torch.arange(int(num_states.max())) < num_states[:, None],  # (B, T)
        }
    else:
        recordings = [sample.audio for sample in samples if sample.audio is not None]
        inputs = dict(processor.extract_features(recordings))
        num_states = processor.count_states(inputs["input_features_mask"].sum(-1))
    return inputs, processor.count_audio_tokens(num_states).tolist()


def collate_text(
    texts: Sequence[EncodedText], num_audio_tokens: Sequence[int], audio_token: int, pad_token: int
) -> dict[str, Any]:
    """``input_ids``, ``attention_mask``, ``labels``: (B, L); ``logits_to_keep``: the answers'."""
    rows = [
        text.before + [audio_token] * count + text.after + text.answer
        for text, count in zip(texts, num_audio_tokens, strict=True)
    ]
    shape = (len(rows), max(map(len, rows)))
    input_ids, labels = torch.full(shape, pad_token), torch.full(shape, IGNORED)
    attention_mask = torch.zeros(shape, dtype=torch.long)
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        input_ids[index, -len(row) :] = torch.tensor(row)
        attention_mask[index, -len(row) :] = 1
        labels[index, -len(text.answer) :] = torch.tensor(text.answer)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "labels": labels,
        "logits_to_keep": max(len(text.answer) for text in texts) + 1,
    }


def plan_batches(
    lengths: NDArray[np.floating],
    batch_size: int,
    max_length: float,
    generator: np.random.Generator | None = None,
) -> list[NDArray[np.int64]]:
    """Indices in batches of like ``lengths``, each at most ``max_length`` long with its padding.

    With a generator the order is random: what is sorted together, and which batch comes when. One
    item longer than ``max_length`` is a batch of its own.
    """
    order = np.arange(len(lengths))
    window = len(lengths)
    if generator is not None:
        generator.shuffle(order)
        window = batch_size * _WINDOW
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), max(1, window)):
        part = order[start : start + window]
        longest_first = part[np.argsort(-lengths[part], kind="stable")]
        batches += _cut(longest_first, lengths, batch_size, max_length)
    if generator is not None:
        generator.shuffle(batches)  # type: ignore[arg-type]
    return batches


def _cut(
    order: NDArray[np.int64], lengths: NDArray[np.floating], batch_size: int, max_length: float
) -> list[NDArray[np.int64]]:
    """Batches of neighbours in ``order``, whose lengths fall."""
    batches = []
    start = 0
    while start < len(order):
        fit = int(max_length // max(lengths[order[start]], 1e-6))
        end = start + max(1, min(batch_size, fit))
        batches.append(order[start:end])
        start = end
    return batches


def measure_padding(batches: Iterable[NDArray[np.int64]], lengths: NDArray[np.floating]) -> float:
    """The share of the batches' total length that is padding: 0..1"""
    real = padded = 0.0
    for batch in batches:
        real += float(lengths[batch].sum())
        padded += len(batch) * float(lengths[batch].max())
    return 1 - real / padded if padded else 0.0
