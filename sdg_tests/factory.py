"""Small real corpora for tests: eSpeak speaks, files lie as a user's would."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sdg_assets.audio import encode_flac, resample
from sdg_assets.commands.corpora import register as register_corpora
from sdg_assets.corpora.config import load_corpora
from sdg_assets.workspace import open_workspace
from sdg_training.espeak import synthesize

SENTENCES = {
    "en": ("Abigail bought a red lamp at the market.", "Victor paid ten euros for a green hat."),
    "de": ("Anna kaufte eine rote Lampe auf dem Markt.", "Peter wohnt in der Stadt."),
    "zh": ("北京是中国的首都。", "他昨天在图书馆看书。"),
    "hi": ("दिल्ली भारत की राजधानी है।", "राम बाज़ार में सेब खरीदता है।"),
}
VOICES = {"en": "en-us", "de": "de", "zh": "cmn", "hi": "hi"}


def flac_of(text: str, voice: str = "en-us") -> bytes:
    audio, rate = synthesize(text, voice)
    return encode_flac(resample(audio, rate))


def write_speech(
    folder: Path, texts: Iterable[str], *, voice: str = "en-us", labelled: bool = True
) -> list[Path]:
    """One FLAC per text, ``u000.flac`` on, with its text beside it where ``labelled``."""
    folder.mkdir(parents=True, exist_ok=True)
    start = len(list(folder.glob("*.flac")))
    paths = []
    for number, text in enumerate(texts, start=start):
        path = folder / f"u{number:03d}.flac"
        path.write_bytes(flac_of(text, voice))
        if labelled:
            path.with_suffix(".txt").write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def register(folder: Path, **config: Any) -> str:
    """Write a corpus's YAML and register it, whether or not there is anything to read; its name."""
    path = folder / f"{config['name']}.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    register_corpora(load_corpora(path), open_workspace())
    return str(config["name"])


def register_quiz(folder: Path, records: Iterable[Mapping[str, Any]], name: str = "quiz") -> str:
    """Write and register an English text corpus, whose records say their splits."""
    lines = (json.dumps(record) for record in records)
    (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return register(
        folder,
        name=name,
        kind="text_qa",
        languages=["en"],
        split={"by": "given"},
        reader={"layout": "jsonl_qa", "path": f"{name}.jsonl"},
    )


def register_folder(folder: Path, name: str, kind: str, languages: Iterable[str]) -> str:
    return register(
        folder,
        name=name,
        kind=kind,
        languages=list(languages),
        reader={"layout": "folder", "path": f"{name}/{{language}}"},
    )


def write_profile(path: Path, **changes: Any) -> str:
    """The tiny profile with changes, as a YAML file; its path."""
    from sdg_assets.settings import load_profile

    values: Mapping[str, Any] = load_profile("tiny").model_dump(mode="json")
    path.write_text(yaml.safe_dump({**values, **changes}), encoding="utf-8")
    return str(path)
