"""Samples to a batch: features or encoder states, prompts and answers, padded on the left."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from sdg_training.augment import augment
from sdg_training.batches import split_item
from sdg_training.examples import Example, Skip
from sdg_training.recipe import AugmentRecipe
from sdg_training.recordings import Sample
from sdg_training.salm.processing_salm import EncodedText, SALMProcessor
from sdg_training.tasks import Task, Turn, write_turn

IGNORED = -100  # the label of a token that no loss is computed for


@dataclass(frozen=True, slots=True)
class Item:
    """A sample and what it is to teach."""

    sample: Sample | Skip
    task: Task


@dataclass(frozen=True, slots=True)
class Batch:
    """The model's inputs for ``examples``, and what else was to be in the batch.

    Where no example is left, the inputs are a prompt that no loss is due for: an update is made of
    as many batches as planned, in every process.
    """

    examples: list[Example]
    inputs: dict[str, Any]
    skips: list[Skip]


class ItemSource(Dataset):
    """Items by their numbers: samples of ``source``, whose audio is read where it is heard.

    Args:
        augment: changes recordings, in another way in each epoch.
    """

    def __init__(self, source: Any, augment: AugmentRecipe | None = None, seed: int = 0) -> None:
        self.source, self.augment, self.seed = source, augment, seed

    def __getitem__(self, item: int) -> Item:
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int]) -> list[Item]:
        """A batch, which has audio in all of its items or in none."""
        if not items:
            return []
        parts = [split_item(item, len(self.source)) for item in items]
        rows = [row for _, _, row in parts]
        samples: list[Sample | Skip] = (
            [Sample(example) for example in self.source.examples.get(rows)]
            if parts[0][1] == "text"
            else self.source.__getitems__(rows)
        )
        return [
            Item(self._change(sample, epoch, row), task)
            for sample, (epoch, task, row) in zip(samples, parts, strict=True)
        ]

    def _change(self, sample: Sample | Skip, epoch: int, row: int) -> Sample | Skip:
        if self.augment is None or isinstance(sample, Skip) or sample.audio is None:
            return sample
        generator = np.random.default_rng((self.seed, epoch, row))
        return replace(sample, audio=augment(sample.audio, self.augment, generator))


class Collator:
    """Items to a batch.

    Padding on the left puts all answers at the end, so that logits are computed for these alone.

    Args:
        max_tokens: longer examples, audio embeddings included, are skipped.
        asr_question: what is asked where the answer is the recording's own words.
        always_hear: batches without audio get a recording that has no effect; see the model's
            argument ``unheard``.
    """

    def __init__(
        self,
        processor: SALMProcessor,
        max_tokens: int,
        asr_question: str,
        always_hear: bool = False,
    ) -> None:
        self.processor = processor
        self.max_tokens = max_tokens
        self.asr_question = asr_question
        self.always_hear = always_hear
        self._encode = lru_cache(maxsize=100_000)(self._encode_turn)

    def __call__(self, items: Sequence[Item]) -> Batch:
        skips = [item.sample for item in items if isinstance(item.sample, Skip)]
        usable = [(i.sample, i.task) for i in items if isinstance(i.sample, Sample)]
        if not usable:
            return Batch([], self._collate_nothing(), skips)
        samples = [sample for sample, _ in usable]
        audio: dict[str, Any] = {}
        counts: Sequence[int | None] = [None] * len(samples)
        if usable[0][1] != "text":
            audio, counts = collate_audio(self.processor, samples)
        encoded = [self._encode(write_turn(s.example, t, self.asr_question)) for s, t in usable]
        texts = [text for text, _ in encoded]
        faults = [
            find_misfit(
                sample.example,
                unknown,
                count,
                len(text) + self.processor.count_placeholders(count or 0),
                self.max_tokens,
            )
            for sample, (text, unknown), count in zip(samples, encoded, counts, strict=True)
        ]
        kept = [index for index, fault in enumerate(faults) if fault is None]
        skips += [fault for fault in faults if fault is not None]
        if not kept:
            return Batch([], self._collate_nothing(), skips)
        inputs = {name: tensor[kept] for name, tensor in audio.items()} or self._hear_nothing()
        inputs |= self._collate_texts(
            [texts[index] for index in kept], [counts[index] or 0 for index in kept]
        )
        return Batch([samples[index].example for index in kept], inputs, skips)

    def _collate_texts(
        self, texts: Sequence[EncodedText], num_audio_tokens: Sequence[int]
    ) -> dict[str, Any]:
        return collate_text(
            texts,
            [self.processor.count_placeholders(count) for count in num_audio_tokens],
            self.processor.audio_token_id,
            self.processor.pad_token_id,
        )

    def _collate_nothing(self) -> dict[str, Any]:
        inputs = self._collate_texts([self._encode(Turn("?", "!", context=""))[0]], [0])
        labels = torch.full_like(inputs["labels"], IGNORED)
        return self._hear_nothing() | inputs | {"labels": labels}

    def _hear_nothing(self) -> dict[str, Any]:
        if not self.always_hear:
            return {}
        noise = np.random.default_rng(0).normal(size=self.processor.sampling_rate)
        features = self.processor.extract_features([noise.astype(np.float32)])
        return {**features, "unheard": True}

    def _encode_turn(self, turn: Turn) -> tuple[EncodedText, str | None]:
        """Its tokens, and what of it the LLM has no token for."""
        text = self.processor.encode_text(turn.question, turn.answer, turn.context)
        if self.processor.tokenizer.unk_token_id in text.answer[:-1]:  # the last is the end token
            return text, f"parts of the answer {turn.answer[:80]!r}"
        return text, self.processor.find_unknown(turn.question, turn.context)


def find_misfit(
    example: Example,
    unknown: str | None,
    num_audio_tokens: int | None,
    num_tokens: int,
    max_tokens: int,
) -> Skip | None:
    """Why the LLM cannot be given an example.

    Args:
        unknown: what of its texts the LLM has no token for.
        num_audio_tokens: audio embeddings of its recording; none: it is not heard.
        num_tokens: what would enter the LLM, audio embeddings among it.
    """
    if num_audio_tokens == 0:
        detail = f"{example.duration:.2f} s make no audio embedding at all"
        return Skip(example, "audio_too_short", detail)
    if unknown is not None:
        return Skip(example, "no_token", f"the LLM has no token for {unknown}")
    if num_tokens > max_tokens:
        detail = f"{num_tokens} tokens, over the limit of {max_tokens}"
        return Skip(example, "too_many_tokens", detail)
    return None


def collate_audio(
    processor: SALMProcessor, samples: Sequence[Sample]
) -> tuple[dict[str, Tensor], list[int]]:
    """Features or encoder states of the recordings, and the audio embeddings of each to be.

    What leaves the encoder's window is cut: a recording that was made slower, or one that is a
    tenth of a second longer than its row says.
    """
    states = [sample.encoder_states for sample in samples if sample.encoder_states is not None]
    if states:
        num_states = torch.tensor([len(each) for each in states])
        inputs = {
            "encoder_states": pad_sequence(states, batch_first=True),  # (B, T, D)
            "encoder_mask": torch.arange(int(num_states.max())) < num_states[:, None],  # (B, T)
        }
    else:
        most = int(min(processor.max_seconds * processor.sampling_rate, sys.maxsize))
        recordings = [sample.audio[:most] for sample in samples if sample.audio is not None]
        inputs = dict(processor.extract_features(recordings))
        num_states = processor.count_states(inputs["input_features_mask"].sum(-1))
    return inputs, processor.count_audio_tokens(num_states).tolist()


def collate_text(
    texts: Sequence[EncodedText], num_placeholders: Sequence[int], audio_token: int, pad_token: int
) -> dict[str, Any]:
    """``input_ids``, ``attention_mask``, ``labels``: (B, L); ``logits_to_keep``: the answers'."""
    rows = [
        text.before + [audio_token] * count + text.after + text.answer
        for text, count in zip(texts, num_placeholders, strict=True)
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
