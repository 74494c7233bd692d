"""The corpora of `sdg demo`: the tiny world as a user's data would lie, and its descriptions."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sdg_assets.audio import encode_flac, resample
from sdg_assets.commands.run import print_progress
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES
from sdg_assets.engines.base import ASR_RATE, Audio
from sdg_assets.progress import throttle, track
from sdg_assets.workspace import Workspace
from sdg_training.espeak import synthesize
from sdg_training.tiny.speech import make_noise, synthesize_babble
from sdg_training.tiny.voices import TIMBRES, sample_voice
from sdg_training.tiny.world import Passage, Side, sample_passage

LANGUAGES = ("en", "de", "es")
LABELLED, UNLABELLED, TEXT = "demo-labelled", "demo-unlabelled", "demo-text"
METHODS = {
    "tts": (TEXT,),
    "labelled": (LABELLED,),
    "pseudo": (UNLABELLED,),
    "mixture": (TEXT, LABELLED, UNLABELLED),
}
# Text is about other things than speech: what one method teaches does not cover the other's test.
SPEECH_DOMAINS = ("shopping", "work")
TEXT_DOMAINS = ("travel",)
PASSAGES: dict[Side, int] = {"train": 150, "test": 20}  # per corpus and language
QUESTIONS = 4  # per passage of the text corpus
WASTE_CLIPS = 4  # of each kind, per language
SEED = 7


def mixture_name(method: str) -> str:
    return f"demo-train-{method}"


def corpora(workspace: Workspace) -> list[CorpusConfig]:
    """The corpora as a user's YAML files would describe them."""
    landing = workspace.settings.landing.url
    held_out = sorted(TIMBRES["test"])
    speech = {"languages": LANGUAGES, "split": {"by": "speaker", "test_groups": held_out}}
    configs = [
        {
            "name": LABELLED,
            "kind": "labelled_speech",
            "description": "tiny world, spoken by eSpeak, with transcripts",
            "reader": {"layout": "folder", "path": f"{landing}/{LABELLED}/{{language}}"},
            **speech,
        },
        {
            "name": UNLABELLED,
            "kind": "unlabelled_speech",
            "description": "tiny world, spoken by eSpeak; its text is only measured against",
            "reader": {"layout": "folder", "path": f"{landing}/{UNLABELLED}/{{language}}"},
            **speech,
        },
        {
            "name": TEXT,
            "kind": "text_qa",
            "description": "tiny world, as text with questions",
            "languages": LANGUAGES,
            "reader": {"layout": "jsonl_qa", "path": f"{workspace.home}/demo/{{language}}.jsonl"},
            "split": {"by": "given"},
        },
        *(
            {
                "name": mixture_name(method),
                "kind": "mixture",
                "languages": [ALL_LANGUAGES],
                "members": members,
                "evaluate_on": [TEXT, LABELLED],
            }
            for method, members in METHODS.items()
        ),
    ]
    return [CorpusConfig.model_validate(config) for config in configs]


def land(workspace: Workspace) -> None:
    """Write the audio into the landing folder and the text beside it, as a user's data would lie.

    What is there already stays: passages, voices and names come from one seed.
    """
    landing = Path(workspace.settings.landing.url)
    spoken = [
        (landing / corpus / language, language, side, number)
        for corpus in (LABELLED, UNLABELLED)
        for language in LANGUAGES
        for side, count in PASSAGES.items()
        for number in range(count)
    ]
    for each in track(spoken, "spoken", throttle(print_progress, 5), len(spoken)):
        speak(*each)
    for language in LANGUAGES:
        write_waste(landing / UNLABELLED / language / "waste", language)
        write_text_qa(workspace.home / "demo" / f"{language}.jsonl", language)


def speak(folder: Path, language: str, side: Side, number: int) -> None:
    """The same recording in both corpora: they differ in what is known of it, and in that alone."""
    rng = random.Random(f"{SEED}|{language}|{side}|{number}")
    passage = sample_passage(rng, language, SPEECH_DOMAINS, side)
    voice = sample_voice(rng, language, side)
    path = folder / str(voice.variant) / f"{side}-{number:04d}.flac"
    if path.exists():
        return
    audio, rate = synthesize(passage.text, voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(passage.text, encoding="utf-8")
    path.write_bytes(encode_flac(resample(audio, rate)))


def write_waste(folder: Path, language: str) -> None:
    """What unlabelled speech is full of, and a recording that was cut off in its header."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, make in WASTE.items():
        for number in range(WASTE_CLIPS):
            path = folder / f"{kind}-{number:04d}.flac"
            if not path.exists():
                path.write_bytes(encode_flac(make(random.Random(f"{SEED}|{path.name}"), language)))
    (folder / "cut-off.flac").write_bytes(b"fLaC\0\0\0\x22")


def make_babble(rng: random.Random, language: str) -> Audio:
    """Words of no language."""
    return resample(*synthesize_babble(rng, language))


def make_hum(rng: random.Random, language: str) -> Audio:
    """An empty room."""
    return make_noise(rng, rng.randint(2, 6) * ASR_RATE, 10 ** rng.uniform(-4, -2))


def make_crowd(rng: random.Random, language: str) -> Audio:
    """Three people at once."""
    voices = [
        resample(
            *synthesize(
                sample_passage(rng, language, SPEECH_DOMAINS).text, sample_voice(rng, language)
            )
        )
        for _ in range(3)
    ]
    mixed = np.zeros(max(map(len, voices)), np.float32)
    for voice in voices:
        mixed[: len(voice)] += voice / len(voices)
    return mixed


WASTE: Mapping[str, Callable[[random.Random, str], Audio]] = {
    "babble": make_babble,
    "hum": make_hum,
    "crowd": make_crowd,
}


def write_text_qa(path: Path, language: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for side, count in PASSAGES.items():
        for number in range(count):
            rng = random.Random(f"{SEED}|{TEXT}|{language}|{side}|{number}")
            passage = sample_passage(rng, language, TEXT_DOMAINS, side)
            lines.append(json.dumps(text_record(passage, side, number), ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def text_record(passage: Passage, side: Side, number: int) -> dict[str, object]:
    return {
        "id": f"{side}-{number:04d}",
        "split": side,
        "context": passage.text,
        "questions": [
            {"question": pair.question, "answer": pair.answer}
            for pair in passage.questions[:QUESTIONS]
        ],
    }
