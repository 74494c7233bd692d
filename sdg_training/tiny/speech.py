"""The tiny world spoken: utterances by many eSpeak voices, and what a room does to them."""

import random
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import soxr
from numpy.typing import NDArray

from sdg_training.augment import rms, tilt, to_factor
from sdg_training.espeak import SpokenWord, synthesize, synthesize_words
from sdg_training.tiny.noise import invent_word
from sdg_training.tiny.progress import Progress
from sdg_training.tiny.voices import sample_voice
from sdg_training.tiny.world import Side, list_languages, sample_passage

SAMPLE_RATE = 16_000  # Hz
LONGEST = 8.0  # seconds
WORKERS = 2
CHUNK = 50  # utterances that a worker makes at once
SLOWEST_ONSET, SLOWEST_LETTER = 0.1, 0.1  # seconds: what a word takes longer is a pause
BABBLERS = (
    "en-us",
    "de",
    "es",
    "fr-fr",
    "it",
    "pt",
    "nl",
    "pl",
    "sv",
    "fi",
    "tr",
    "id",
    "sw",
    "hu",
)
_WORD = re.compile(r"\S+")

NOISY_SHARE = 0.5
SNR = (5.0, 40.0)  # dB
LEVEL = (-20.0, 0.0)  # dB
TILT = 0.6  # of the first-order filters that brighten or dull the sound
MARGIN = 0.4  # seconds of silence before and after, at most


@dataclass(frozen=True, slots=True)
class Utterance:
    """``audio``: (samples,) int16, 16 kHz; ``words``: the start and end of each in seconds.

    Babble has a text without words: one that has nothing to do with the audio.
    """

    audio: NDArray[np.int16]
    text: str
    language: str
    words: tuple[tuple[float, float], ...]


def speak_utterances(count: int, side: Side, seed: int) -> list[Utterance]:
    """``count`` passages, the languages in turn, each by a random voice of that side."""
    return _speak_all(partial(_speak, side=side), f"speech ({side})", count, seed)


def speak_babble(count: int, seed: int) -> list[Utterance]:
    """Invented words, by voices of many languages."""
    return _speak_all(_speak_babble, "babble", count, seed)


def _speak_all(
    speak: Callable[[random.Random, str], Utterance], name: str, count: int, seed: int
) -> list[Utterance]:
    languages = [list_languages()[i % len(list_languages())] for i in range(count)]
    chunks = [
        (speak, languages[start : start + CHUNK], f"{seed}/{name}/{start}")
        for start in range(0, count, CHUNK)
    ]
    progress = Progress(name, count)
    utterances: list[Utterance] = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for chunk in pool.map(_speak_chunk, chunks):
            utterances += chunk
            progress.report(len(utterances))
    return utterances


@dataclass(frozen=True, slots=True)
class Heard:
    """As a microphone gives it. ``audio``: (samples,) float32, 16 kHz; silent without words."""

    audio: NDArray[np.float32]
    text: str
    language: str
    words: tuple[tuple[float, float], ...]


def augment(rng: random.Random, utterance: Utterance) -> Heard:
    """Margins, brightness, noise and level of another room."""
    before, after = (int(rng.uniform(0, MARGIN) * SAMPLE_RATE) for _ in range(2))
    samples = np.pad(to_float(utterance.audio), (before, after))
    samples = tilt(samples, rng.uniform(-TILT, TILT))
    if rng.random() < NOISY_SHARE:
        samples += make_noise(rng, len(samples), rms(samples) * to_factor(-rng.uniform(*SNR)))
    samples *= np.float32(to_factor(rng.uniform(*LEVEL)) / np.abs(samples).max())
    delay = before / SAMPLE_RATE
    words = tuple((start + delay, end + delay) for start, end in utterance.words)
    return Heard(samples, utterance.text, utterance.language, words)


def to_float(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    return audio.astype(np.float32) / np.float32(32768)


def make_noise(rng: random.Random, length: int, level: float) -> NDArray[np.float32]:
    """Noise of a random colour, from rumble to hiss; ``level`` is its root mean square."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(length, np.float32)
    colour = rng.uniform(-0.95, 0.5)
    smooth = np.convolve(noise, (-colour) ** np.arange(16), "same").astype(np.float32)
    return smooth * np.float32(level / rms(smooth))


def align_words(
    text: str, spoken: Sequence[SpokenWord], duration: float
) -> tuple[tuple[float, float], ...]:
    """Start and end in seconds of each word (a run without spaces) of ``text``.

    A word that eSpeak said with the one before gets its share of their time by letters. A word ends
    where the next begins, or earlier where a pause follows.
    """
    times = {word.position: word.start for word in spoken} | {len(text): duration}
    positions = sorted(times)
    words = list(_WORD.finditer(text))
    starts = np.interp([w.start() for w in words], positions, [times[p] for p in positions])
    ends = [*starts[1:], duration]
    longest = [SLOWEST_ONSET + SLOWEST_LETTER * len(word[0]) for word in words]
    return tuple(
        (float(start), float(min(end, start + limit)))
        for start, end, limit in zip(starts, ends, longest, strict=True)
    )


def label_frames(
    words: Sequence[tuple[float, float]],
    tokens: Sequence[Sequence[int]],
    frames: int,
    frame_seconds: float,
    blank: int,
) -> list[int]:
    """The token said in each frame: each word's time goes in equal parts to its tokens."""
    labels = [blank] * frames
    for (start, end), word_tokens in zip(words, tokens, strict=True):
        share = (end - start) / len(word_tokens)
        for index, token in enumerate(word_tokens):
            first = int((start + index * share) / frame_seconds)
            last = max(first + 1, int((start + (index + 1) * share) / frame_seconds))
            labels[first:last] = [token] * len(labels[first:last])
    return labels


def _speak_chunk(
    task: tuple[Callable[[random.Random, str], Utterance], Sequence[str], str],
) -> list[Utterance]:
    speak, languages, seed = task
    rng = random.Random(seed)
    return [speak(rng, language) for language in languages]


def _speak(rng: random.Random, language: str, side: Side) -> Utterance:
    while True:
        text = sample_passage(rng, language, side=side, confusing=True).text
        audio, rate, spoken = synthesize_words(text, sample_voice(rng, language, side))
        if len(audio) <= LONGEST * rate:
            words = align_words(text, spoken, len(audio) / rate)
            return Utterance(_resample(audio, rate), text, language, words)


def synthesize_babble(rng: random.Random, language: str) -> tuple[NDArray[np.float32], int]:
    """Invented words by a voice of any language, and their rate."""
    voice = replace(sample_voice(rng, language), language=rng.choice(BABBLERS))
    words = [invent_word(rng) for _ in range(rng.randint(5, 14))]
    return synthesize(f"{' '.join(words)}.", voice)


def _speak_babble(rng: random.Random, language: str) -> Utterance:
    audio, rate = synthesize_babble(rng, language)
    text = sample_passage(rng, language, confusing=True).text
    return Utterance(_resample(audio[: int(LONGEST * rate)], rate), text, language, ())


def _resample(audio: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    return (soxr.resample(audio, rate, SAMPLE_RATE).clip(-1, 1) * 32767).astype(np.int16)
