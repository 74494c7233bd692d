"""Passages of text question answering data read aloud (method `tts`)."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.corpora.base import Reject
from sdg_assets.engines import open_tts
from sdg_assets.engines.base import Failure, TTSRequest
from sdg_assets.quality.audio_text import AudioFigures, SpeechLimits, check_synthesized
from sdg_assets.quality.speech_text import speakable
from sdg_assets.stages.calls import StoredSpeech, synthesize
from sdg_assets.stages.clips import preview_clips
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import stage
from sdg_assets.stages.views import bars, histograms, spectrograms

Row = dict[str, Any]
HELD_OUT_EVERY = 5  # one voice in so many speaks only validation and test passages


class SynthesizedSpeechConfig(StageConfig):
    voices: list[str] = Field(
        [], description="Speak with these voices only. Empty: all the engine has."
    )
    seed: int = Field(-1, ge=-1, description="Of the choice of voices. -1: the profile's.")


@stage(
    kinds=frozenset({"text_qa"}),
    upstream=["text_qa"],
    group="contexts",
    tools=frozenset({"duckdb", "fsspec"}),
    pool="tts",
)
def synthesized_speech(run: StageRun, config: SynthesizedSpeechConfig) -> StageResult:
    """Every passage once, normalised for speaking, in a voice drawn by seed.

    Voices of test passages speak no training passage, as far as there are enough of them. Speech
    that cannot be its text (silent, clipped, far too short or long) is quarantined.
    """
    passages = _passages(run)
    voices = _choose_voices(run, config) if passages else ()
    seed = run.profile.seed if config.seed < 0 else config.seed
    rejects: list[Reject] = []
    requests: dict[str, TTSRequest] = {}
    for passage in passages:
        text = speakable(passage["context"], run.language)
        if text:
            pool = voices_of_split(voices, passage["split"])
            voice = draw_voice(pool, passage["passage_id"], seed)
            requests[passage["passage_id"]] = TTSRequest(text, run.language, voice, seed)
        else:
            rejects.append(_reject(passage, "unspeakable", "no letter is left to say"))
    answers = synthesize(run, requests)
    rows: list[Row] = []
    for passage in passages:
        if passage["passage_id"] not in requests:
            continue
        spoken = requests[passage["passage_id"]]
        answered = answers[passage["passage_id"]]
        if isinstance(answered.result, Failure):
            rejects.append(_reject(passage, answered.result.reason, answered.result.detail))
            continue
        problem = _check(spoken.text, answered.result)
        if problem is not None:
            rejects.append(_reject(passage, problem, f"the speech of {spoken.voice} is {problem}"))
            continue
        rows.append(_row(passage, spoken, answered.result, answered.key))
    return StageResult(rows, rejects, rows_in=len(passages), metadata=_describe(run, rows))


def _choose_voices(run: StageRun, config: SynthesizedSpeechConfig) -> tuple[str, ...]:
    """
    Raises:
        EngineError: the engine has no such voice, or none for the language.
    """
    engine = open_tts(run.profile.tts)
    for voice in config.voices:
        engine.check_voice(voice)
    return tuple(config.voices or engine.voices(run.language))


def _passages(run: StageRun) -> list[Row]:
    """Each passage once, in a fixed order."""
    rows = run.read("text_qa", ["qa_id", "passage_id", "split", "context"])
    first = {row["passage_id"]: row for row in reversed(rows)}
    return [first[identifier] for identifier in sorted(first)]


def voices_of_split(voices: Sequence[str], split: str) -> Sequence[str]:
    """The voices that may speak in ``split``: a fifth of them is held out from training.

    With fewer than five voices all of them speak everywhere.
    """
    held_out = voices[::HELD_OUT_EVERY] if len(voices) >= HELD_OUT_EVERY else ()
    if not held_out:
        return voices
    return tuple(v for v in voices if (v in held_out) == (split != "train"))


def draw_voice(voices: Sequence[str], passage_id: str, seed: int) -> str:
    """The same for the same passage and seed, whatever else is in the partition."""
    digest = hashlib.sha256(f"{seed}|{passage_id}".encode()).digest()
    return voices[int.from_bytes(digest[:8], "big") % len(voices)]


def _check(text: str, speech: StoredSpeech) -> str | None:
    figures = AudioFigures(speech.duration, speech.level_dbfs, speech.peak, speech.silence_share)
    return check_synthesized(text, figures, SpeechLimits())


def _row(passage: Row, spoken: TTSRequest, speech: StoredSpeech, key: str) -> Row:
    return {
        "passage_id": passage["passage_id"],
        "split": passage["split"],
        "text": passage["context"],
        "spoken_text": spoken.text,
        "voice": spoken.voice,
        **asdict(speech),
        "call_key": key,
    }


def _reject(passage: Row, reason: str, detail: str) -> Reject:
    return Reject(passage["passage_id"], reason, detail, "")


def _describe(run: StageRun, rows: list[Row]) -> dict[str, Any]:
    clips = preview_clips(run.workspace.blobs, rows, "voice")
    voices = Counter(row["voice"] for row in rows)
    return {
        "voices": len(voices),
        "spectrograms": dg.MetadataValue.md(spectrograms(clips)),
        "plot": dg.MetadataValue.md(
            histograms(
                {
                    "duration (s)": [row["duration"] for row in rows],
                    "level (dBFS)": [row["level_dbfs"] for row in rows],
                    "characters per second": [
                        len(row["spoken_text"]) / row["duration"] for row in rows
                    ],
                }
            )
        ),
        "voices_plot": dg.MetadataValue.md(bars(dict(voices.most_common(20)), "passages")),
    }
