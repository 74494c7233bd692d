"""TTS by eSpeak NG, in process: every language at once, robotic, and exactly repeatable.

A voice is written as :class:`sdg_training.espeak.Voice` writes it: ``en-us+f3@rate=160,pitch=60``.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import Field

from sdg_assets.engines.base import EngineError, Failure, Fingerprint, TTSRequest, TTSResult, Usage
from sdg_assets.engines.batching import run_in_chunks
from sdg_assets.engines.config import EngineConfig
from sdg_assets.engines.tts.speech import check_speech
from sdg_assets.progress import count

_READS_PINYIN = "cmn-latn-pinyin"  # speaks Chinese, but not from Chinese characters


class EspeakConfig(EngineConfig):
    """``voices`` lists a language's voices; a language without a list gets a default set.

    The default set is every accent of the language with every one of ``variants``, spoken at
    ``rate`` words per minute and ``pitch``.
    """

    backend: Literal["espeak"] = "espeak"
    voices: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    variants: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "m1",
        "f1",
        "m2",
        "f2",
        "m3",
        "f3",
        "m4",
        "f4",
    )
    rate: Annotated[int, Field(ge=80, le=450)] = 175
    pitch: Annotated[int, Field(ge=0, le=99)] = 50

    def start(self) -> "Espeak":
        return Espeak(self)


class Espeak:
    """eSpeak NG; the library is loaded once per process, whatever the configuration.

    Raises:
        EngineError: a voice of the configuration does not exist.
    """

    def __init__(self, config: EspeakConfig) -> None:
        self._config = config
        self._listed = {tag.lower(): voices for tag, voices in config.voices.items()}
        for voice in itertools.chain(*self._listed.values()):
            self.check_voice(voice)
        for variant in config.variants:
            self.check_voice(f"en-us+{variant}")
        self._fingerprint = Fingerprint("tts", "espeak", version("espeakng-loader"))

    @property
    def fingerprint(self) -> Fingerprint:
        """Nothing of the configuration: a request's voice says how it is spoken."""
        return self._fingerprint

    def voices(self, language: str) -> tuple[str, ...]:
        from sdg_training.espeak import Voice

        if language.lower() in self._listed:
            return self._listed[language.lower()]
        return tuple(
            str(Voice(accent, variant, self._config.rate, self._config.pitch))
            for accent in _find_accents(language)
            for variant in self._config.variants
        )

    def check_voice(self, voice: str) -> None:
        from sdg_training.espeak import EspeakError, synthesize

        try:
            synthesize("1", voice)  # every language speaks digits
        except EspeakError as error:
            raise EngineError(
                f"the voice {voice!r} of the configuration is wrong: {error}"
            ) from error

    def synthesize(self, batch: Sequence[TTSRequest]) -> list[TTSResult | Failure]:
        return run_in_chunks(batch, _speak_each, size=1, length=_count_characters)


def _find_accents(language: str) -> tuple[str, ...]:
    """eSpeak's own tags for ``language``; its ``zh`` also covers Cantonese, ours does not."""
    from sdg_training.espeak import list_voices

    tags = [voice.language for voice in list_voices(language) if voice.language != _READS_PINYIN]
    if not tags:
        known = sorted({tag for voice in list_voices() for tag in voice.languages})
        raise EngineError(f"eSpeak does not speak {language!r}; it speaks: {', '.join(known)}")
    primary = language.lower().partition("-")[0]
    return tuple(tag for tag in tags if tag.partition("-")[0] == primary) or (tags[0],)


def _speak_each(requests: list[TTSRequest]) -> Iterator[TTSResult | Failure]:
    for request in requests:
        yield _speak(request)
        count()


def _speak(request: TTSRequest) -> TTSResult | Failure:
    from sdg_training.espeak import EspeakError, synthesize

    try:
        audio, sample_rate = synthesize(request.text, request.voice)
    except EspeakError as error:
        return Failure("no_speech", str(error))
    usage = Usage(audio_seconds=audio.size / sample_rate)
    return check_speech(audio, sample_rate) or TTSResult(audio, sample_rate, usage)


def _count_characters(request: TTSRequest) -> int:
    return len(request.text)
