"""eSpeak NG, the rule-based synthesizer, called in process.

The library and its data come in the ``espeakng-loader`` wheel (GPL-3); nothing is installed on
the machine and nothing is written to disk. It speaks some 140 languages, small and robotic: it is
the voice of the tiny profile and of the tests.

>>> audio, rate = synthesize("The parcel is on the table.", "en-us+f3@rate=160,pitch=60")
>>> audio.dtype, rate
(dtype('float32'), 22050)
"""

import _ctypes
import ctypes
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Lock

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from sdg_training.uninterrupted import uninterrupted

DEFAULT_RATE = 175
DEFAULT_PITCH = 50
RATES = range(80, 451)
PITCHES = range(0, 100)

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_RANDOM_SEED = 1
_EVENT_END_OF_LIST = 0
_EVENT_WORD = 1

_LOCK = Lock()
_LIBC = ctypes.CDLL(None)

_VOICE = re.compile(r"(?P<language>[^+@]+)(\+(?P<variant>[^@]+))?(@(?P<settings>.+))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class EspeakError(ValueError):
    """Why nothing can be spoken: an unknown voice, a setting out of range, or no text."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A way of speaking, written as one string: ``en-us``, ``de+f3``, ``es+m2@rate=150,pitch=40``.

    ``language`` is eSpeak's own tag (:func:`list_voices`), ``variant`` one of
    :func:`list_variants`, ``rate`` is in words per minute (80 to 450) and ``pitch`` goes from
    0 to 99.
    """

    language: str
    variant: str | None = None
    rate: int = DEFAULT_RATE
    pitch: int = DEFAULT_PITCH

    @classmethod
    def parse(cls, text: str) -> "Voice":
        """The inverse of ``str``.

        Raises:
            EspeakError: the string is not written as above.
        """
        match = _VOICE.fullmatch(text)
        if match is None:
            raise EspeakError(
                f"voice {text!r} is not written as language[+variant][@rate=150,pitch=40]"
            )
        settings = _parse_settings(match["settings"] or "", text)
        return cls(match["language"], match["variant"], **settings)

    @property
    def name(self) -> str:
        """What eSpeak calls it: the language and the variant."""
        return self.language if self.variant is None else f"{self.language}+{self.variant}"

    def __str__(self) -> str:
        settings = []
        if self.rate != DEFAULT_RATE:
            settings.append(f"rate={self.rate}")
        if self.pitch != DEFAULT_PITCH:
            settings.append(f"pitch={self.pitch}")
        return f"{self.name}@{','.join(settings)}" if settings else self.name


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A language or accent that eSpeak speaks.

    ``languages`` are the tags it answers to, its own first: ``("cmn", "zh-cmn", "zh")``.
    """

    language: str
    name: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Where a word begins: in the text, in characters, and in the speech, in seconds.

    eSpeak says some pairs of words (``in the``) as one.
    """

    position: int
    start: float


def synthesize(text: str, voice: Voice | str) -> tuple[NDArray[np.float32], int]:
    """Speak ``text``: (samples,) float32 mono in -1..1, and the sample rate in Hz.

    The same text and voice give the same samples, whatever was spoken before. May be called from
    several threads; the library speaks one text at a time.

    Raises:
        EspeakError: the voice is unknown, a setting is out of range, or the text has nothing that
            can be spoken.
    """
    audio, sample_rate, _ = synthesize_words(text, voice)
    return audio, sample_rate


def synthesize_words(
    text: str, voice: Voice | str
) -> tuple[NDArray[np.float32], int, tuple[SpokenWord, ...]]:
    """As :func:`synthesize`, and when each word is said."""
    voice = Voice.parse(voice) if isinstance(voice, str) else voice
    _check(voice)
    # Control characters are commands to eSpeak. One space for each keeps the positions.
    speakable = _CONTROL.sub(" ", text)
    if not speakable.strip():
        raise EspeakError("there is no text to speak: it is empty or blank")
    recorder, sample_rate = _speak(speakable, voice)
    if not recorder.audio.any():
        raise EspeakError(f"nothing in {text!r} can be spoken by voice {str(voice)!r}")
    return recorder.audio, sample_rate, tuple(recorder.words)


def list_voices(language: str | None = None) -> tuple[VoiceInfo, ...]:
    """Every language and accent; with ``language`` (``en``, ``zh``, ``pt-BR``) those that speak it.

    A tag is answered by the voices that carry it, else by those that carry its primary subtag.
    Empty where eSpeak does not speak the language.
    """
    voices = tuple(_catalog().voices.values())
    if language is None:
        return voices
    tag = language.lower()
    exact = tuple(voice for voice in voices if tag in voice.languages)
    primary = tag.partition("-")[0]
    return exact or tuple(voice for voice in voices if primary in voice.languages)


def list_variants() -> tuple[str, ...]:
    """The timbres that go with any language (``f3``, ``m1``, ``whisper``, ...), sorted."""
    return tuple(sorted(_catalog().variants))


def _parse_settings(settings: str, voice: str) -> Mapping[str, int]:
    parsed = {}
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if key not in ("rate", "pitch") or not value.isdecimal():
            raise EspeakError(f"voice {voice!r}: {setting!r} is neither rate=N nor pitch=N")
        parsed[key] = int(value)
    return parsed


def _check(voice: Voice) -> None:
    if voice.language not in _catalog().voices:
        raise EspeakError(
            f"eSpeak has no voice {voice.language!r}; it has: {', '.join(_catalog().voices)}"
        )
    if voice.variant is not None and voice.variant not in _catalog().variants:
        raise EspeakError(
            f"eSpeak has no variant {voice.variant!r}; it has: {', '.join(list_variants())}"
        )
    if voice.rate not in RATES:
        raise EspeakError(f"rate {voice.rate} is not within {RATES.start} to {RATES.stop - 1}")
    if voice.pitch not in PITCHES:
        raise EspeakError(f"pitch {voice.pitch} is not within 0 to {PITCHES.stop - 1}")


class _CVoice(ctypes.Structure):
    """``espeak_VOICE`` of speak_lib.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class _CEvent(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # in milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_CEvent)
)


@dataclass(frozen=True, slots=True)
class _Catalog:
    voices: dict[str, VoiceInfo]
    files: dict[str, str]  # by voice: where it lies in eSpeak's data
    variants: frozenset[str]


class _Recorder:
    """Collects the samples and words that the library hands over while it speaks."""

    def __init__(self) -> None:
        self.words: list[SpokenWord] = []
        self._chunks = [np.empty(0, np.int16)]
        self.callback = _CALLBACK(self._receive)

    def _receive(self, samples: ctypes.Array, count: int, events: ctypes.Array) -> int:
        for index in itertools.count():
            event = events[index]
            if event.type == _EVENT_END_OF_LIST:
                break
            if event.type == _EVENT_WORD:
                word = SpokenWord(event.text_position - 1, event.audio_position / 1000)
                self.words.append(word)
        if samples and count:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    @cached_property
    def audio(self) -> NDArray[np.float32]:
        return np.concatenate(self._chunks).astype(np.float32) / np.float32(32768)


@contextmanager
def _open_library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library in its first state, and its sample rate in Hz.

    It is unloaded afterwards (6 ms): the phases of flutter and noise live in static variables
    that nothing else resets, and would make each recording depend on the one before.
    """
    data = espeakng_loader.get_data_path()
    with _LOCK:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
            if rate <= 0:
                raise RuntimeError(f"eSpeak NG did not start with its data at {data}: reinstall it")
            yield library, rate
            library.espeak_Terminate()
        finally:
            _ctypes.dlclose(library._handle)


@uninterrupted
def _speak(text: str, voice: Voice) -> tuple[_Recorder, int]:
    encoded = text.encode()
    # By its file: some tags (en-gb, fr-fr) are listed and yet not found by name.
    name = "+".join(filter(None, [_catalog().files[voice.language], voice.variant]))
    recorder = _Recorder()
    with _open_library() as (library, rate):
        _LIBC.srand(_RANDOM_SEED)  # some variants take their noise from the C library
        library.espeak_ng_SetRandSeed(ctypes.c_long(_RANDOM_SEED))
        library.espeak_SetSynthCallback(recorder.callback)
        if library.espeak_SetVoiceByName(name.encode()):
            raise RuntimeError(f"eSpeak NG lists voice {voice.name!r} and cannot load it: {name}")
        library.espeak_SetParameter(_PARAMETER_RATE, voice.rate, 0)
        library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
        library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded) + 1), 0, 1, 0, _CHARS_UTF8, None, None
        )
        library.espeak_Synchronize()
    return recorder, rate


@cache
def _catalog() -> _Catalog:
    tag = ctypes.c_char_p(b"variant")
    wanted = _CVoice(languages=ctypes.cast(tag, ctypes.c_void_p).value)
    voices: dict[str, VoiceInfo] = {}
    files: dict[str, str] = {}
    with _open_library() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_CVoice))
        for voice in _walk(library.espeak_ListVoices(None)):
            tags = _read_languages(voice.languages)
            files.setdefault(tags[0], voice.identifier.decode())
            voices.setdefault(tags[0], VoiceInfo(tags[0], voice.name.decode().strip(), tags))
        variants = frozenset(
            voice.identifier.decode().removeprefix("!v/")
            for voice in _walk(library.espeak_ListVoices(ctypes.byref(wanted)))
        )
    return _Catalog(voices, files, variants)


def _walk(voices: ctypes.Array) -> list[_CVoice]:
    found: list[_CVoice] = []
    while voices[len(found)]:
        found.append(voices[len(found)].contents)
    return found


def _read_languages(address: int) -> tuple[str, ...]:
    """A priority byte and a C string for each language, until a zero priority."""
    languages = []
    while ctypes.string_at(address, 1) != b"\0":
        language = ctypes.string_at(address + 1)
        languages.append(language.decode())
        address += len(language) + 2
    return tuple(languages)
