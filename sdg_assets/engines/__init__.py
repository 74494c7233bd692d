"""Engines: whatever calls an ASR, LLM or TTS model. ``base.py`` is the contract.

A backend is one file with its configuration (light to import) and its engine; naming its
configuration in one of the unions below registers it. Two or more of a kind are told apart by
``backend``.
"""

from typing import Annotated, Any

from pydantic import Field

from sdg_assets.engines.asr.openai_whisper import OpenAIWhisperConfig
from sdg_assets.engines.base import ASREngine, LLMEngine, TTSEngine
from sdg_assets.engines.config import EngineConfig
from sdg_assets.engines.llm.openai_compatible import OpenAICompatibleConfig
from sdg_assets.engines.llm.transformers_lm import TransformersConfig
from sdg_assets.engines.tts.espeak import EspeakConfig
from sdg_assets.engines.tts.piper import PiperConfig
from sdg_assets.progress import announcing

ASRConfig = OpenAIWhisperConfig
LLMConfig = Annotated[TransformersConfig | OpenAICompatibleConfig, Field(discriminator="backend")]
TTSConfig = Annotated[EspeakConfig | PiperConfig, Field(discriminator="backend")]

_started: dict[tuple[type[EngineConfig], str], Any] = {}


def open_asr(config: ASRConfig) -> ASREngine:
    """The engine for ``config``; each model is loaded once per process."""
    return _start_once(config)


def open_llm(config: LLMConfig) -> LLMEngine:
    """The engine for ``config``; each model is loaded once per process."""
    return _start_once(config)


def open_tts(config: TTSConfig) -> TTSEngine:
    """The engine for ``config``; each model is loaded once per process."""
    return _start_once(config)


def _start_once(config: EngineConfig) -> Any:
    key = (type(config), config.model_dump_json())
    if key not in _started:
        with announcing(f"loading {config.label}"):
            _started[key] = config.start()
    return _started[key]
