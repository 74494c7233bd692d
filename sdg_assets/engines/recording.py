"""Requests and results as JSON objects, and back: what the call ledger keeps of a call.

Usage is not part of a response: the ledger has columns for it, and a recorded answer costs
nothing. Audio is not part of anything: a request names it by its hash. What a TTS call gave is
dumped where it is stored (`stages/calls.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sdg_assets.engines.base import (
    ASRResult,
    ASRSegment,
    LLMRequest,
    LLMResult,
    Message,
    TTSRequest,
)

Json = dict[str, Any]


def dump_asr_request(audio_sha256: str, language: str | None) -> Json:
    return {"audio_sha256": audio_sha256, "language": language}


def dump_asr(result: ASRResult) -> Json:
    return {
        "text": result.text,
        "language": result.language,
        "segments": [asdict(segment) for segment in result.segments],
    }


def load_asr(response: Mapping[str, Any]) -> ASRResult:
    segments = tuple(ASRSegment(**segment) for segment in response["segments"])
    return ASRResult(response["text"], response["language"], segments)


def dump_llm_request(request: LLMRequest) -> Json:
    return {
        "messages": [asdict(message) for message in request.messages],
        "seed": request.seed,
        "max_tokens": request.max_tokens,
    }


def load_llm_request(record: Mapping[str, Any]) -> LLMRequest:
    messages = tuple(Message(**message) for message in record["messages"])
    return LLMRequest(messages, record["seed"], record["max_tokens"])


def dump_llm(result: LLMResult) -> Json:
    return {"text": result.text, "finish_reason": result.finish_reason}


def load_llm(response: Mapping[str, Any]) -> LLMResult:
    return LLMResult(response["text"], response["finish_reason"])


def dump_tts_request(request: TTSRequest) -> Json:
    return asdict(request)


def load_tts_request(record: Mapping[str, Any]) -> TTSRequest:
    return TTSRequest(**record)
