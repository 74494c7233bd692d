"""What the ledger keeps is JSON, and comes back as it was."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.engines import recording
from sdg_assets.engines.base import (
    ASRResult,
    ASRSegment,
    LLMRequest,
    LLMResult,
    Message,
    TTSRequest,
    Usage,
)

texts = st.text(max_size=20)
figures = st.floats(allow_nan=False, allow_infinity=False)
segments = st.builds(ASRSegment, figures, figures, texts, figures, figures, figures, figures)
usages = st.builds(Usage, seconds=figures, input_tokens=st.none() | st.integers())


def through_json(record: Any) -> Any:
    return json.loads(json.dumps(record, allow_nan=False, ensure_ascii=False))


@given(st.builds(ASRResult, texts, texts, st.lists(segments, max_size=3).map(tuple)), usages)
def test_asr_results_come_back(result, usage):
    record = through_json(recording.dump_asr(replace(result, usage=usage)))
    assert recording.load_asr(record) == result


@given(st.builds(LLMResult, texts, st.sampled_from(["stop", "length"])), usages)
def test_llm_results_come_back(result, usage):
    record = through_json(recording.dump_llm(replace(result, usage=usage)))
    assert recording.load_llm(record) == result


messages = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts)


@given(
    st.builds(
        LLMRequest,
        st.lists(messages, max_size=3).map(tuple),
        st.integers(),
        st.none() | st.integers(1),
    )
)
def test_llm_requests_come_back(request):
    record = through_json(recording.dump_llm_request(request))
    assert recording.load_llm_request(record) == request


@given(st.builds(TTSRequest, texts, texts, texts, st.integers()))
def test_tts_requests_come_back(request):
    record = through_json(recording.dump_tts_request(request))
    assert recording.load_tts_request(record) == request


def test_audio_is_requested_by_its_hash():
    assert through_json(recording.dump_asr_request("ab12", None)) == {
        "audio_sha256": "ab12",
        "language": None,
    }
