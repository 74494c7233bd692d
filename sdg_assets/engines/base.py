"""The contract of the three kinds of engine: ASR, LLM and TTS.

One result per input, in order. What fails for one input is a :class:`Failure` value in its
place; an exception means that the engine itself is unusable (a model path that does not exist).
An engine says when inputs of a batch are done (``progress.count``), so that one sees it move.
The stage owns reading, writing and the call ledger; the engine owns the model.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sdg_assets.errors import UserError

Audio = NDArray[np.float32]  # (samples,) mono, -1..1
ASR_RATE = 16_000  # Hz, of every ASR input


class EngineError(UserError):
    """The engine cannot work at all: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Whatever changes an engine's output: its name, the model's revision or hash, parameters."""

    kind: Literal["asr", "llm", "tts"]
    name: str
    revision: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(
            {
                "kind": self.kind,
                "name": self.name,
                "revision": self.revision,
                "parameters": dict(self.parameters),
            },
            sort_keys=True,
            ensure_ascii=False,
        )

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one input has no result. It is recorded, and the call is made again next time."""

    reason: str  # a short stable code: "timeout", "http_429", "empty_audio"
    detail: str  # a sentence for a person


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call cost; ``seconds`` is its share of the batch's wall time."""

    seconds: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    audio_seconds: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class ASRRequest:
    audio: Audio  # 16 kHz
    language: str | None = None  # a BCP-47 tag; None: detect it


@dataclass(frozen=True, slots=True)
class ASRSegment:
    start: float  # seconds
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float


@dataclass(frozen=True, slots=True)
class ASRResult:
    text: str
    language: str
    segments: tuple[ASRSegment, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class LLMRequest:
    messages: tuple[Message, ...]
    seed: int = 0  # of this request's sampling; greedy decoding ignores it
    max_tokens: int | None = None  # None: the engine's own limit


@dataclass(frozen=True, slots=True)
class LLMResult:
    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class TTSRequest:
    text: str
    language: str
    voice: str  # one of ``voices(language)``
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TTSResult:
    audio: Audio
    sample_rate: int  # Hz
    usage: Usage = Usage()


class ASREngine(Protocol):
    @property
    def fingerprint(self) -> Fingerprint: ...

    def transcribe(self, batch: Sequence[ASRRequest]) -> list[ASRResult | Failure]: ...


class LLMEngine(Protocol):
    @property
    def fingerprint(self) -> Fingerprint: ...

    def generate(self, batch: Sequence[LLMRequest]) -> list[LLMResult | Failure]: ...


class TTSEngine(Protocol):
    @property
    def fingerprint(self) -> Fingerprint: ...

    def voices(self, language: str) -> tuple[str, ...]:
        """Voices that speak ``language``, in a fixed order.

        Raises:
            EngineError: no voice speaks it; says which languages there are.
        """
        ...

    def check_voice(self, voice: str) -> None:
        """
        Raises:
            EngineError: there is no such voice; says which there are.
        """
        ...

    def synthesize(self, batch: Sequence[TTSRequest]) -> list[TTSResult | Failure]: ...
