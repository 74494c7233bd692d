"""Recordings and questions about them as tables of examples, for the benchmarks."""

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sdg_assets.audio import encode_flac, resample
from sdg_assets.storage.blobs import BlobStore
from sdg_training.espeak import synthesize
from sdg_training.recordings import SAMPLE_RATE
from sdg_training.tiny.voices import sample_voice
from sdg_training.tiny.world import Question, Side, sample_passage


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording as FLAC, and what is asked about it."""

    language: str
    speaker: str
    text: str
    questions: tuple[Question, ...]
    flac: bytes
    seconds: float


def make_clip(
    language: str,
    speaker: str,
    text: str,
    questions: Sequence[Question],
    samples: np.ndarray,
    rate: int,
) -> Clip:
    """``samples``: mono, of any rate."""
    audio = resample(samples, rate)
    seconds = len(audio) / SAMPLE_RATE
    return Clip(language, speaker, text, tuple(questions), encode_flac(audio), seconds)


def speak_world(
    languages: Iterable[str], count: int, side: Side = "train", passages: int = 1
) -> list[Clip]:
    """``count`` recordings in each language, of so many passages each: train and test share neither
    sentences nor voices.
    """
    rng = random.Random(side)
    told = [
        (language, [sample_passage(rng, language, side=side) for _ in range(passages)])
        for language in languages
        for _ in range(count)
    ]
    texts = [" ".join(passage.text for passage in each) for _, each in told]
    voices = [sample_voice(rng, language, side) for language, _ in told]
    questions = [[q for passage in each for q in passage.questions] for _, each in told]
    with ProcessPoolExecutor() as pool:
        spoken = pool.map(synthesize, texts, voices, chunksize=20)
        return [
            make_clip(language, str(voice), text, asked, *audio)
            for (language, _), voice, text, asked, audio in zip(
                told, voices, texts, questions, spoken, strict=True
            )
        ]


def tabulate(blobs: BlobStore, clips: Sequence[Clip]) -> pa.Table:
    """A row for each question; the recordings go to ``blobs``."""
    refs = blobs.write_shards("speech", ((f"{n}.flac", c.flac) for n, c in enumerate(clips)))
    rows = [
        {
            "method": "tts", "source_corpus": "benchmark", "source_language": clip.language,
            "speaker": clip.speaker, "context": clip.text, "question": pair.question,
            "answer": pair.answer, "shard": ref.shard, "byte_offset": ref.offset,
            "byte_length": ref.length, "duration": clip.seconds,
        }
        for clip, ref in zip(clips, refs, strict=True)
        for pair in clip.questions
    ]  # fmt: skip
    return pa.Table.from_pylist([{"example_id": str(n), **row} for n, row in enumerate(rows)])
