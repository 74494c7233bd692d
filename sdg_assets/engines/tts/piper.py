"""TTS by Piper: neural (VITS) voices, each a file ``stem.onnx`` beside ``stem.onnx.json``.

A voice is named ``stem``, or ``stem#speaker`` where the file holds several speakers.

VITS draws noise inside its ONNX graph. onnxruntime takes a seed only when it loads a model, so
with ``seeded`` a voice is loaded anew for each request (0.25 s for a 63 MB voice on a CPU): then
the same request gives the same audio. Without it, or with both noise scales at 0, it is loaded
once.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from sdg_assets.engines.base import (
    Audio,
    EngineError,
    Failure,
    Fingerprint,
    TTSRequest,
    TTSResult,
    Usage,
)
from sdg_assets.engines.batching import run_in_chunks
from sdg_assets.engines.config import EngineConfig
from sdg_assets.engines.files import hash_file
from sdg_assets.engines.seeds import combine_seeds
from sdg_assets.engines.tts.speech import check_speech
from sdg_assets.progress import count

if TYPE_CHECKING:
    from piper import PiperVoice

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class PiperConfig(EngineConfig):
    """``voices`` are paths of ``.onnx`` files; each one's JSON says which language it speaks.

    The scales are the voice's own when None. ``length_scale`` over 1 is slower;
    ``sentence_silence`` is in seconds.
    """

    backend: Literal["piper"] = "piper"
    voices: Annotated[tuple[str, ...], Field(min_length=1)]
    device: Literal["cpu", "cuda"] = "cpu"
    length_scale: PositiveFloat | None = None
    noise_scale: NonNegativeFloat | None = None
    noise_w_scale: NonNegativeFloat | None = None
    sentence_silence: NonNegativeFloat = 0.2
    seeded: bool = True
    seed: int = 0

    def start(self) -> "Piper":
        return Piper(self)


@dataclass(frozen=True, slots=True)
class _Speaker:
    name: str
    path: Path
    language: str  # a BCP-47 tag in lower case
    speaker_id: int | None  # None: the file has one speaker


class Piper:
    """All configured voices; a model is loaded when it first speaks.

    Raises:
        EngineError: a voice's file or JSON is missing or broken, or two have the same name.
    """

    def __init__(self, config: PiperConfig) -> None:
        from importlib.metadata import version

        self._config = config
        paths = [Path(voice).expanduser() for voice in config.voices]
        self._speakers = _read_all_speakers(paths)
        self._voices: dict[Path, PiperVoice] = {}
        self._providers = _pick_providers(config.device)
        self._fingerprint = Fingerprint(
            kind="tts",
            name="piper",
            revision=version("piper-tts"),
            parameters={
                **config.model_dump(mode="json", exclude={"backend", "voices", "device"}),
                "voices": {
                    path.stem: [hash_file(path), hash_file(_json_of(path))] for path in paths
                },
            },
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def voices(self, language: str) -> tuple[str, ...]:
        tag = language.lower()
        speakers = self._speakers.values()
        exact = tuple(speaker.name for speaker in speakers if speaker.language == tag)
        related = tuple(s.name for s in speakers if _primary(s.language) == _primary(tag))
        if not related:
            known = sorted({speaker.language for speaker in speakers})
            raise EngineError(
                f"no Piper voice of the configuration speaks {language!r}; they speak: "
                f"{', '.join(known)}. Add the path of one to `voices`"
            )
        return exact or related

    def check_voice(self, voice: str) -> None:
        if voice not in self._speakers:
            raise EngineError(
                f"the voice {voice!r} of the configuration is wrong: Piper has "
                f"{', '.join(self._speakers)}"
            )

    def synthesize(self, batch: Sequence[TTSRequest]) -> list[TTSResult | Failure]:
        """Speak each text.

        Raises:
            EngineError: a voice's model cannot be loaded, or lacks what its language needs.
        """
        return run_in_chunks(batch, self._speak_each, size=1, length=_count_characters)

    def _speak_each(self, requests: list[TTSRequest]) -> Iterator[TTSResult | Failure]:
        for request in requests:
            yield self._speak(request)
            count()

    def _speak(self, request: TTSRequest) -> TTSResult | Failure:
        speaker = self._speakers.get(request.voice)
        if speaker is None:
            return Failure("unknown_voice", f"there is no voice {request.voice!r}")
        voice = self._open_voice(speaker.path, combine_seeds(self._config.seed, request.seed))
        audio = self._render(voice, speaker, request.text)
        if not audio.size:
            return Failure("no_speech", f"nothing in {request.text!r} can be spoken")
        sample_rate = voice.config.sample_rate
        usage = Usage(audio_seconds=audio.size / sample_rate)
        return check_speech(audio, sample_rate) or TTSResult(audio, sample_rate, usage)

    def _render(self, voice: "PiperVoice", speaker: _Speaker, text: str) -> Audio:
        """(samples,) of all sentences; none where no sentence has a phoneme of the voice."""
        from piper import SynthesisConfig

        settings = SynthesisConfig(
            speaker_id=speaker.speaker_id,
            length_scale=self._config.length_scale,
            noise_scale=self._config.noise_scale,
            noise_w_scale=self._config.noise_w_scale,
        )
        # "[[" would begin raw phonemes
        plain = _CONTROL.sub(" ", text).replace("[[", "[ [")
        try:
            chunks = list(voice.synthesize(plain, settings))
        except (ImportError, RuntimeError) as error:
            raise EngineError(
                f"the voice {speaker.path} cannot turn text into phonemes: {error}. Some languages "
                "need an extra of piper-tts; see `phoneme_type` and `espeak.voice` in its JSON"
            ) from error
        known = voice.config.phoneme_id_map
        sentences = [c.audio_float_array for c in chunks if any(p in known for p in c.phonemes)]
        pause = round(self._config.sentence_silence * voice.config.sample_rate)
        return join_sentences(sentences, pause)

    def _open_voice(self, path: Path, seed: int) -> "PiperVoice":
        import onnxruntime

        voice = self._voices.get(path)
        if voice is None:
            onnxruntime.set_seed(self._config.seed)
            voice = self._voices[path] = _load_voice(path, self._config.device == "cuda")
        if not self._config.seeded or not self._is_noisy(voice):
            return voice
        options = onnxruntime.SessionOptions()
        # optimizing takes longer than what it saves in one request
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        onnxruntime.set_seed(seed)
        return replace(
            voice, session=onnxruntime.InferenceSession(str(path), options, self._providers)
        )

    def _is_noisy(self, voice: "PiperVoice") -> bool:
        own = (voice.config.noise_scale, voice.config.noise_w_scale)
        ours = (self._config.noise_scale, self._config.noise_w_scale)
        return any(b if a is None else a for a, b in zip(ours, own, strict=True))


def join_sentences(sentences: Sequence[Audio], pause: int) -> Audio:
    """The sentences one after another, with ``pause`` samples of silence between them."""
    silence = np.zeros(pause, np.float32)
    parts = [part for sentence in sentences for part in (silence, sentence)]
    return np.concatenate([np.empty(0, np.float32), *parts[1:]])


def _read_all_speakers(paths: Sequence[Path]) -> dict[str, _Speaker]:
    found: dict[str, _Speaker] = {}
    for path in paths:
        for speaker in _read_speakers(path):
            if speaker.name in found:
                raise EngineError(
                    f"{path} and {found[speaker.name].path} are both the voice {speaker.name!r}: "
                    "rename the files of one"
                )
            found[speaker.name] = speaker
    return found


def _read_speakers(path: Path) -> list[_Speaker]:
    for needed in (path, _json_of(path)):
        if not needed.is_file():
            raise EngineError(
                f"the Piper voice {path} needs the file {needed}, which does not exist: a voice is "
                "downloaded as two files, `NAME.onnx` and `NAME.onnx.json`"
            )
    try:
        description = json.loads(_json_of(path).read_text(encoding="utf-8"))
        language = _read_language(description)
        speakers = _read_speaker_ids(description)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{_json_of(path)} does not describe a Piper voice: {error!r}. Take the JSON file that "
            "belongs to the model"
        ) from error
    if not speakers:
        return [_Speaker(path.stem, path, language, None)]
    return [_Speaker(f"{path.stem}#{name}", path, language, id_) for name, id_ in speakers.items()]


def _read_language(description: dict[str, Any]) -> str:
    """Published voices say ``language.code`` (``pt_BR``); home-made ones only eSpeak's voice."""
    code = description.get("language", {}).get("code") or description["espeak"]["voice"]
    return str(code).replace("_", "-").lower()


def _read_speaker_ids(description: dict[str, Any]) -> dict[str, int]:
    count = int(description["num_speakers"])
    if count <= 1:
        return {}
    return description.get("speaker_id_map") or {str(number): number for number in range(count)}


def _load_voice(path: Path, use_cuda: bool) -> "PiperVoice":
    from piper import PiperVoice

    try:
        return PiperVoice.load(path, use_cuda=use_cuda)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise EngineError(
            f"cannot load the Piper voice {path}: {error}. Download its `.onnx` and `.onnx.json` "
            "again"
        ) from error


def _pick_providers(device: str) -> list[str]:
    import onnxruntime

    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"onnxruntime has no {provider}: install `onnxruntime-gpu`, or set `device: cpu`"
        )
    return [provider]


def _json_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _primary(tag: str) -> str:
    return tag.partition("-")[0]


def _count_characters(request: TTSRequest) -> int:
    return len(request.text)
