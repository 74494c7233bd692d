"""ASR by OpenAI's Whisper, in its own implementation and checkpoint format.

The first 30 s window of every utterance is decoded in a batch; ``whisper.transcribe`` then does
the rest as it always does (segments, temperature fallback, later windows), and gets that first
window handed over instead of decoding it. So a result is what ``transcribe`` alone would give.
"""

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from sdg_assets.engines.base import (
    ASR_RATE,
    ASRRequest,
    ASRResult,
    ASRSegment,
    Audio,
    EngineError,
    Failure,
    Fingerprint,
    Usage,
)
from sdg_assets.engines.batching import run_in_chunks
from sdg_assets.engines.config import TINY_WORLD, EngineConfig, name_model, pick_device
from sdg_assets.engines.files import hash_file
from sdg_assets.progress import count

MIN_SECONDS = 0.1  # no word is shorter

# Where Whisper's code is not the tag's primary subtag.
_TO_WHISPER = {
    "nb": "no",
    "jv": "jw",
    "fil": "tl",
    "cmn": "zh",
    "iw": "he",
    "in": "id",
    "ji": "yi",
}
_FROM_WHISPER = {"jw": "jv"}

_TRANSCRIBE_OPTIONS = {
    "beam_size",
    "best_of",
    "temperature",
    "compression_ratio_threshold",
    "logprob_threshold",
    "no_speech_threshold",
    "condition_on_previous_text",
}


class OpenAIWhisperConfig(EngineConfig):
    """``model``: ``tiny-world``, an official name (``large-v3``), or a checkpoint's path.

    ``temperature`` lists the temperatures to try in turn while a window looks repetitive or
    improbable (the thresholds); above zero, tokens are sampled with ``seed``. ``language``:
    ``given`` decodes in the request's language, ``detect`` ignores it. Only greedy decoding runs
    in batches: with ``beam_size``, utterances are decoded one by one.
    """

    backend: Literal["openai-whisper"] = "openai-whisper"
    model: str = TINY_WORLD
    device: str = "auto"
    batch_size: PositiveInt = 16
    language: Literal["given", "detect"] = "given"
    beam_size: PositiveInt | None = None
    best_of: PositiveInt | None = None
    temperature: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (
        0.0,
        0.2,
        0.4,
        0.6,
        0.8,
        1.0,
    )
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    condition_on_previous_text: bool = False
    seed: int = 0

    def start(self) -> "OpenAIWhisper":
        return OpenAIWhisper(self)


@dataclass(slots=True)
class _Utterance:
    """One request on its way: ``language`` is Whisper's code, None until it is detected."""

    audio: Audio
    language: str | None
    given_language: str | None


class OpenAIWhisper:
    """Whisper on one device.

    Raises:
        EngineError: the checkpoint does not exist, cannot be downloaded or is not Whisper's.
    """

    def __init__(self, config: OpenAIWhisperConfig) -> None:
        import whisper
        from whisper.tokenizer import get_tokenizer

        self._config = config
        self._model, revision = _load(config.model, pick_device(config.device))
        self._fp16 = self._model.device.type == "cuda"
        multilingual = self._model.is_multilingual
        tokenizer = get_tokenizer(multilingual, num_languages=self._model.num_languages)
        self._languages = tokenizer.all_language_codes if multilingual else ("en",)
        self._fingerprint = Fingerprint(
            kind="asr",
            name=f"openai-whisper/{name_model(config.model)}",
            revision=revision,
            parameters={
                **config.model_dump(
                    mode="json", exclude={"backend", "model", "device", "batch_size"}
                ),
                "fp16": self._fp16,
                "library": whisper.__version__,
            },
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def transcribe(self, batch: Sequence[ASRRequest]) -> list[ASRResult | Failure]:
        """Transcribe utterances of any length; a language that is not given is detected.

        Raises:
            EngineError: the model does not have a request's language; says which it has.
        """
        return run_in_chunks(
            [_check_audio(request.audio) or self._prepare(request) for request in batch],
            self._transcribe_chunk,
            self._config.batch_size,
            length=_count_samples,
        )

    def _prepare(self, request: ASRRequest) -> _Utterance:
        audio = np.ascontiguousarray(request.audio, dtype=np.float32)
        if self._config.language == "detect" or request.language is None:
            code = None if self._model.is_multilingual else "en"
            return _Utterance(audio, code, None)
        return _Utterance(audio, self._find_code(request.language), request.language)

    def _find_code(self, tag: str) -> str:
        primary = tag.lower().partition("-")[0]
        code = _TO_WHISPER.get(primary, primary)
        if code not in self._languages:
            raise EngineError(
                f"Whisper {self._config.model!r} does not have the language {tag!r}; it has: "
                f"{', '.join(sorted(self._languages))}. Choose another model for this language, "
                "or set `language: detect`"
            )
        return code

    def _transcribe_chunk(self, chunk: list[_Utterance]) -> Iterator[ASRResult | Failure]:
        mels = [self._compute_mel(item.audio) for item in chunk]
        self._detect_languages(chunk, mels)
        windows = self._decode_first_windows(chunk, mels)
        for item, window in zip(chunk, windows, strict=True):
            yield self._finish(item, window)
            count()

    def _compute_mel(self, audio: Audio) -> Any:
        """(mels, 3000): the first 30 s, scaled by the whole, silence behind short audio."""
        from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram

        mel = log_mel_spectrogram(audio, self._model.dims.n_mels, padding=N_SAMPLES)
        return mel[:, :N_FRAMES].clone()

    def _detect_languages(self, chunk: list[_Utterance], mels: list[Any]) -> None:
        import torch

        unknown = [index for index, item in enumerate(chunk) if item.language is None]
        if not unknown:
            return
        batch = torch.stack([mels[index] for index in unknown])
        _, probabilities = self._model.detect_language(self._to_device(batch))
        for index, by_language in zip(unknown, probabilities, strict=True):
            chunk[index].language = max(by_language, key=by_language.__getitem__)

    def _decode_first_windows(self, chunk: list[_Utterance], mels: list[Any]) -> list[Any]:
        """A ``whisper.DecodingResult`` per utterance; None leaves it to ``transcribe``.

        Sampling must not depend on the batch, and openai-whisper cannot batch beam search.
        """
        import torch
        from whisper import DecodingOptions
        from whisper.audio import HOP_LENGTH, N_FRAMES, pad_or_trim

        windows: list[Any] = [None] * len(chunk)
        if self._config.temperature[0] > 0 or self._config.beam_size is not None:
            return windows
        # transcribe keeps the audio's own frames here, with zeros behind them
        inputs = [
            pad_or_trim(mel[:, : len(item.audio) // HOP_LENGTH], N_FRAMES)
            for item, mel in zip(chunk, mels, strict=True)
        ]
        for language in sorted({str(item.language) for item in chunk}):
            members = [index for index, item in enumerate(chunk) if item.language == language]
            options = DecodingOptions(language=language, fp16=self._fp16)
            batch = torch.stack([inputs[index] for index in members])
            decoded = self._model.decode(self._to_device(batch), options)
            for index, result in zip(members, decoded, strict=True):
                windows[index] = result
        return windows

    def _to_device(self, mels: Any) -> Any:
        import torch

        return mels.to(self._model.device, torch.float16 if self._fp16 else torch.float32)

    def _finish(self, item: _Utterance, first_window: Any) -> ASRResult | Failure:
        import torch
        from whisper import transcribe

        with torch.random.fork_rng():
            torch.manual_seed(self._config.seed)
            found = transcribe(
                _DecodedOnce(self._model, first_window),
                item.audio,
                language=item.language,
                fp16=self._fp16,
                **self._config.model_dump(include=_TRANSCRIBE_OPTIONS),
            )
        segments = tuple(_read_segment(segment) for segment in found["segments"])
        if not all(math.isfinite(segment.avg_logprob) for segment in segments):
            return Failure(
                "broken_output",
                "the model's probabilities are not finite: its weights are broken, or half "
                "precision is too small for them",
            )
        detected = _FROM_WHISPER.get(found["language"], found["language"])
        return ASRResult(
            text=found["text"].strip(),
            language=item.given_language or detected,
            segments=segments,
            usage=Usage(audio_seconds=len(item.audio) / ASR_RATE),
        )


class _DecodedOnce:
    """A Whisper model that answers the first call of ``decode`` with what was decoded before.

    What is left (fallback, later windows) is decoded alone, so its sampling does not depend on
    what else was in the batch.
    """

    def __init__(self, model: Any, first_window: Any) -> None:
        self._model = model
        self._first_window = first_window

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(self, mel: Any, options: Any) -> Any:
        result, self._first_window = self._first_window, None
        return self._model.decode(mel, options) if result is None else result


def _check_audio(audio: Audio) -> Failure | None:
    seconds = audio.size / ASR_RATE
    if not audio.size:
        return Failure("empty_audio", "the audio has no samples")
    if audio.ndim != 1:
        return Failure("not_mono", f"the audio has shape {audio.shape}: mix it down to (samples,)")
    if not np.isfinite(audio).all():
        return Failure("broken_audio", "the audio has samples that are NaN or infinite")
    if seconds < MIN_SECONDS:
        return Failure("audio_too_short", f"the audio lasts {seconds:.3f} s, under {MIN_SECONDS} s")
    return None


def _count_samples(item: _Utterance) -> int:
    return len(item.audio)


def _read_segment(segment: dict[str, Any]) -> ASRSegment:
    return ASRSegment(
        start=segment["start"],
        end=segment["end"],
        text=segment["text"].strip(),
        avg_logprob=segment["avg_logprob"],
        no_speech_prob=segment["no_speech_prob"],
        compression_ratio=segment["compression_ratio"],
        temperature=segment["temperature"],
    )


def _load(model: str, device: str) -> tuple[Any, str]:
    """The model and the SHA-256 of its checkpoint."""
    import whisper

    official = model in whisper.available_models()
    source = model if official else str(_find_checkpoint(model))
    try:
        loaded = whisper.load_model(source, device=device)
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise EngineError(
            f"cannot load {source!r} as a Whisper checkpoint on device {device!r}: {error}. It "
            "must be a `.pt` file in openai-whisper's own format (`dims` and `model_state_dict`)"
        ) from error
    except OSError as error:
        raise EngineError(
            f"cannot read the weights of Whisper {source!r} ({error}). An official model is "
            "downloaded once into ~/.cache/whisper: without a network, copy its file there, give "
            f"the path of a checkpoint, or use `{TINY_WORLD}`"
        ) from error
    if official:
        return loaded, whisper._MODELS[model].split("/")[-2]  # the address holds the SHA-256
    return loaded, hash_file(Path(source))


def _find_checkpoint(model: str) -> Path:
    import whisper

    from sdg_training import tiny

    path = Path(tiny.WHISPER if model == TINY_WORLD else model).expanduser()
    if not path.is_file():
        raise EngineError(
            f"there is no Whisper checkpoint at {path}: give the path of a `.pt` file, "
            f"`{TINY_WORLD}`, or one of {', '.join(whisper.available_models())}"
        )
    return path
