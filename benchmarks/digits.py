"""Real human speech: which digit is spoken, by a speaker that training never heard.

Leave one of the six speakers out, train the tiny speech LM with its encoder on the five others, on
synthesized digits of many voices, or on both, and ask about the sixth. It prints each fold's
accuracy, its mean over the folds, and how sure that is.

.venv/bin/python benchmarks/digits.py --data ../shared/data/fsdd/recordings
"""

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import soundfile
import soxr
from clips import Clip, make_clip, tabulate

from sdg_assets.storage.blobs import BlobStore
from sdg_training.espeak import Voice, synthesize
from sdg_training.evaluate import score
from sdg_training.intervals import bootstrap
from sdg_training.recipe import Recipe, TrainConfig
from sdg_training.reporting import PrintReporter
from sdg_training.tiny.voices import TIMBRES
from sdg_training.tiny.world import Question
from sdg_training.train import train

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
QUESTION = "Which digit is spoken?"
ENGLISH = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
# The English digits as speakers of other languages may say them, written as these are.
ACCENTS: dict[str, Sequence[str]] = dict.fromkeys(ENGLISH, DIGITS) | {
    "de": ("siro", "wann", "tu", "sri", "fohr", "faif", "six", "säwen", "eht", "nein"),
    "fr-fr": ("ziro", "ouane", "tou", "sri", "fore", "faïve", "sixe", "sèveune", "éïte", "naïne"),
    "es": ("sirou", "uan", "tu", "tri", "for", "faif", "six", "seven", "eit", "nain"),
    "it": ("ziro", "uan", "tu", "tri", "for", "faiv", "six", "seven", "eit", "nain"),
    "nl": ("ziero", "wan", "toe", "srie", "foor", "faaiv", "siks", "seven", "eet", "naain"),
    "el": ("ζίροου", "ουάν", "του", "θρι", "φορ", "φάιβ", "σιξ", "σέβεν", "έιτ", "νάιν"),
}
WAYS = ("real", "synthesized", "both")
PADDING = 0.4  # seconds of silence on either side
SNR = 10.0  # dB: noise, below the level of the digit
RECIPE: dict[str, Any] = {
    "freeze_encoder": False,
    "adapter": {"hidden_size": 256},
    "lora": {"rank": 8},
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "batch_size": 32,
    "epochs": 200,
    "cpu_threads": 1,
    "augment": {"speed": 0.15, "min_snr": 5.0},
}


def main() -> None:
    options = parse()
    real = read_recordings(options.data)
    speakers = sorted({clip.speaker for clip in real})
    synthesized = list(synthesize_digits(options.synthesized))
    print(
        f"{len(real)} recordings of {', '.join(speakers)}; {len(synthesized)} synthesized; "
        f"{options.updates} updates for each thousand of them",
        flush=True,
    )
    recipe = Recipe.model_validate({**RECIPE, **json.loads(options.recipe)})
    folds = [(speaker, way) for way in options.ways for speaker in options.folds or speakers]
    right: dict[str, list[float]] = defaultdict(list)
    asked_of: dict[str, list[str]] = defaultdict(list)
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        answered = pool.map(
            partial(run_fold, real, synthesized, recipe, options.updates), *zip(*folds, strict=True)
        )
        for (speaker, way), answers in zip(folds, answered, strict=True):
            right[way] += answers
            asked_of[way] += [speaker] * len(answers)
            print(f"{speaker:<10} {way:<12} {np.mean(answers):.3f}", flush=True)
    for way, values in right.items():
        print(f"mean       {way:<12} {bootstrap(values, asked_of[way])}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(__file__).parents[1].parent / "shared" / "data" / "fsdd" / "recordings"
    parser.add_argument("--data", type=Path, default=shared, help="folder of DIGIT_SPEAKER_N.wav")
    parser.add_argument("--updates", type=int, default=300, help="for each 1,000 recordings")
    parser.add_argument("--synthesized", type=int, default=2000, help="clips")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--folds", nargs="+", help="speakers to leave out; default: each")
    parser.add_argument("--recipe", default="{}", help="JSON: what differs from the recipe")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, a core each")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"skipped: there is no folder {options.data}")
    return options


def read_recordings(folder: Path) -> list[Clip]:
    clips = []
    for path in sorted(folder.glob("*.wav")):
        digit, speaker, _ = path.stem.split("_")
        samples, rate = soundfile.read(path, dtype="float32")
        clips.append(record(speaker, int(digit), samples, rate))
    return clips


def synthesize_digits(count: int) -> Iterable[Clip]:
    """The digits in turn, by voices of every timbre, several accents, pitches and rates."""
    rng = random.Random(0)
    timbres = (*TIMBRES["train"], *TIMBRES["test"])
    for number in range(count):
        voice = Voice(
            rng.choice(list(ACCENTS)),
            rng.choice(timbres),
            rng.randint(120, 240),
            rng.randint(15, 85),
        )
        samples, rate = synthesize(ACCENTS[voice.language][number % 10], voice)
        yield record(str(voice), number % 10, narrow(trim(samples), rate), 8000)


def trim(samples: np.ndarray) -> np.ndarray:
    """Without the silence around it, as the recordings are."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def narrow(samples: np.ndarray, rate: int) -> np.ndarray:
    """At the recordings' own rate: they hold nothing above 4 kHz."""
    return np.asarray(soxr.resample(samples, rate, 8000), np.float32)


def record(speaker: str, digit: int, samples: np.ndarray, rate: int) -> Clip:
    """With silence on either side, and all of it in noise, so that every room is as quiet.

    Features are normalised over a recording: how quiet its pauses are changes those of its speech,
    and each of the six speakers has a noise floor of his own (-38 to -66 dBFS).
    """
    asked = Question(QUESTION, DIGITS[digit])
    padded = np.pad(samples, int(PADDING * rate))
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-SNR / 20)
    generator = np.random.default_rng(len(samples))
    noisy = padded + level * generator.standard_normal(len(padded))
    scaled = (0.5 * noisy / np.abs(noisy).max()).astype(np.float32)
    return make_clip("en", speaker, DIGITS[digit], [asked], scaled, rate)


def run_fold(
    real: Sequence[Clip],
    synthesized: Sequence[Clip],
    recipe: Recipe,
    updates: int,
    speaker: str,
    way: str,
) -> list[float]:
    """0 or 1 for each recording of ``speaker``: is it answered rightly, once trained without?"""
    asked = [clip for clip in real if clip.speaker == speaker]
    others = [clip for clip in real if clip.speaker != speaker]
    trained = {"real": others, "synthesized": synthesized, "both": [*others, *synthesized]}[way]
    with tempfile.TemporaryDirectory() as folder:
        blobs = BlobStore(f"file://{folder}/blobs")
        pq.write_table(tabulate(blobs, trained), f"{folder}/train.parquet")
        config = TrainConfig(
            examples=f"{folder}/train.parquet",
            blobs=blobs.url,
            output=Path(folder) / "checkpoint",
            recipe=recipe.model_copy(update={"max_steps": updates * len(trained) // 1000}),
        )
        reporter = PrintReporter(interval=60)
        train(config, reporter)
        questions = tabulate(blobs, asked)
        scores = score(config.output, questions, blobs.url, ["trained"], reporter=reporter)
    return scores.table["exact_match"].to_pylist()


if __name__ == "__main__":
    main()
