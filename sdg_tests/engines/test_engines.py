"""Opening engines by configuration."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from sdg_assets.engines import (
    LLMConfig,
    TTSConfig,
    open_llm,
    open_tts,
)
from sdg_assets.engines.llm.openai_compatible import OpenAICompatibleConfig
from sdg_assets.engines.tts.espeak import EspeakConfig
from sdg_assets.engines.tts.piper import PiperConfig

HEAVY = (
    "torch",
    "whisper",
    "transformers",
    "piper",
    "onnxruntime",
    "openai",
    "sdg_training.espeak",
)


def test_importing_configurations_is_light():
    code = f"import sys, sdg_assets.engines; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_engine_is_started_once_for_each_configuration():
    config = EspeakConfig(rate=150)
    engine = open_tts(config)
    assert open_tts(EspeakConfig(rate=150)) is engine
    assert open_tts(EspeakConfig(rate=160)) is not engine
    assert open_tts(config).voices("de")[0] == "de+m1@rate=150"


def test_configurations_with_mappings_are_told_apart():
    def configure(**voices: tuple[str, ...]) -> EspeakConfig:
        return EspeakConfig(voices=voices)

    assert open_tts(configure(de=("de",))) is open_tts(configure(de=("de",)))
    assert open_tts(configure(de=("de",))) is not open_tts(configure(de=("de+f1",)))


def test_backends_are_told_apart_by_name():
    tts = TypeAdapter(TTSConfig)
    assert tts.validate_python({"backend": "espeak"}) == EspeakConfig()
    assert isinstance(tts.validate_python({"backend": "piper", "voices": ["a.onnx"]}), PiperConfig)
    llm = TypeAdapter(LLMConfig)
    served = llm.validate_json(
        '{"backend": "openai-compatible", "base_url": "http://one/v1", "model": "m"}'
    )
    assert isinstance(served, OpenAICompatibleConfig)
    assert open_llm(served).fingerprint.name == "openai-compatible/m"
    with pytest.raises(ValidationError, match=r"'transformers', 'openai-compatible'"):
        llm.validate_python({"backend": "oracle"})
    with pytest.raises(ValidationError, match="voices"):
        tts.validate_python({"backend": "espeak", "voices": 3})
