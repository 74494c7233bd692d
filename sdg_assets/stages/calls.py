"""Engine calls through the ledger: what was answered before is not asked again."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from sdg_assets.audio import audio_sha256, decode_flac, encode_flac, measure, resample
from sdg_assets.engines import open_asr, open_llm, open_tts
from sdg_assets.engines.base import (
    ASREngine,
    ASRRequest,
    ASRResult,
    Audio,
    EngineError,
    Failure,
    LLMEngine,
    LLMRequest,
    LLMResult,
    Message,
    TTSEngine,
    TTSRequest,
    TTSResult,
    Usage,
)
from sdg_assets.engines.recording import (
    dump_asr,
    dump_asr_request,
    dump_llm,
    dump_llm_request,
    dump_tts_request,
    load_asr,
    load_llm,
    load_llm_request,
    load_tts_request,
)
from sdg_assets.stages.clips import ref_of
from sdg_assets.stages.run import StageRun
from sdg_assets.stages.usage import EngineUse
from sdg_assets.storage.blobs import BlobRef, BlobStore
from sdg_assets.storage.ledger import Call, Origin, Outcome, call_key

Result = TypeVar("Result")
Engine = TypeVar("Engine", ASREngine, LLMEngine, TTSEngine)
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered(Generic[Result]):
    """A recorded call: its key in the ledger, and what came of it."""

    key: str
    result: Result | Failure


@dataclass(frozen=True, slots=True)
class StoredSpeech:
    """Synthesized speech as it lies in the blob store, and what was measured of it."""

    duration: float  # seconds
    shard: str
    byte_offset: int
    byte_length: int
    audio_sha256: str
    level_dbfs: float
    peak: float
    silence_share: float


def transcribe(
    run: StageRun, audio: Sequence[Mapping[str, Any]], language: str | None
) -> dict[str, Answered[ASRResult]]:
    """ASR of rows of ``raw_audio``, by utterance id.

    Args:
        language: the one to tell the engine; None lets it find out.
    """
    clips = {row["audio_sha256"]: ref_of(row) for row in audio}
    requests = {
        row["utterance_id"]: dump_asr_request(row["audio_sha256"], language) for row in audio
    }
    perform = partial(_transcribe_chunk, run.workspace.blobs, clips)
    return _complete(run, partial(open_asr, run.profile.asr), requests, perform, load_asr)


def ask(
    run: StageRun, prompts: Mapping[str, tuple[Message, ...]], prompt_version: str
) -> dict[str, Answered[LLMResult]]:
    """The LLM's answer to each prompt, by its id."""
    requests = {
        identifier: dump_llm_request(LLMRequest(messages, run.profile.seed))
        for identifier, messages in prompts.items()
    }
    start = partial(open_llm, run.profile.llm)
    return _complete(run, start, requests, _ask_chunk, load_llm, prompt_version)


def synthesize(run: StageRun, texts: Mapping[str, TTSRequest]) -> dict[str, Answered[StoredSpeech]]:
    """Speech of each text, by its id, stored as 16 kHz FLAC: one shard for each chunk of calls."""
    requests = {identifier: dump_tts_request(request) for identifier, request in texts.items()}
    prefix = f"speech/{run.corpus.name}/{run.language}"
    perform = partial(_speak_chunk, run.workspace.blobs, prefix)
    return _complete(run, partial(open_tts, run.profile.tts), requests, perform, _load_speech)


def _transcribe_chunk(
    blobs: BlobStore, clips: Mapping[str, BlobRef], engine: ASREngine, calls: Sequence[Call]
) -> list[Outcome]:
    flacs = blobs.read_many([clips[call.request["audio_sha256"]] for call in calls])
    batch = [
        ASRRequest(decode_flac(flac), call.request["language"])
        for flac, call in zip(flacs, calls, strict=True)
    ]
    return [
        _fail(result) if isinstance(result, Failure) else _succeed(dump_asr(result), result.usage)
        for result in engine.transcribe(batch)
    ]


def _ask_chunk(engine: LLMEngine, calls: Sequence[Call]) -> list[Outcome]:
    batch = [load_llm_request(call.request) for call in calls]
    return [
        _fail(result) if isinstance(result, Failure) else _succeed(dump_llm(result), result.usage)
        for result in engine.generate(batch)
    ]


def _speak_chunk(
    blobs: BlobStore, prefix: str, engine: TTSEngine, calls: Sequence[Call]
) -> list[Outcome]:
    """Speak and store; a call's outcome says where its audio lies."""
    results = engine.synthesize([load_tts_request(call.request) for call in calls])
    spoken = [
        (call.key, result, resample(result.audio, result.sample_rate))
        for call, result in zip(calls, results, strict=True)
        if isinstance(result, TTSResult)
    ]
    refs = blobs.write_shard(
        prefix, [(f"{key}.flac", encode_flac(clip)) for key, _, clip in spoken]
    )
    stored = {
        key: _succeed(asdict(_store(clip, ref)), result.usage)
        for (key, result, clip), ref in zip(spoken, refs, strict=True)
    }
    return [
        _fail(result) if isinstance(result, Failure) else stored[call.key]
        for call, result in zip(calls, results, strict=True)
    ]


def _store(clip: Audio, ref: BlobRef) -> StoredSpeech:
    measures = measure(clip)
    return StoredSpeech(
        duration=measures.duration,
        shard=ref.shard,
        byte_offset=ref.offset,
        byte_length=ref.length,
        audio_sha256=audio_sha256(clip),
        level_dbfs=measures.level_dbfs,
        peak=measures.peak,
        silence_share=measures.silence_share,
    )


def _load_speech(response: Json) -> StoredSpeech:
    return StoredSpeech(**response)


def _complete(
    run: StageRun,
    start: Callable[[], Engine],
    requests: Mapping[str, Json],
    perform: Callable[[Engine, Sequence[Call]], list[Outcome]],
    load: Callable[[Json], Result],
    prompt_version: str = "",
) -> dict[str, Answered[Result]]:
    """Starts the engine only where there is something to ask: its fingerprint is in each key."""
    if not requests:
        return {}
    engine = start()
    fingerprint = engine.fingerprint
    calls = {
        identifier: Call(call_key(fingerprint.digest, request, prompt_version), request)
        for identifier, request in requests.items()
    }
    origin = Origin(
        kind=fingerprint.kind,
        engine=fingerprint.name,
        fingerprint=fingerprint.digest,
        parameters=fingerprint.to_json(),
        prompt_version=prompt_version,
        stage=run.stage,
        corpus=run.corpus.name,
        language=run.language,
        run_id=run.run_id,
    )
    ledger = run.workspace.ledger
    summary = ledger.ask(
        list(calls.values()),
        partial(perform, engine),
        origin=origin,
        chunk=run.profile.chunk,
        report=run.report,
    )
    run.engines.append(EngineUse(origin.kind, origin.engine, summary))
    outcomes = dict(ledger.outcomes([call.key for call in calls.values()]))
    check_failures(run, origin, list(outcomes.values()))
    return {
        identifier: Answered(call.key, _read(outcomes[call.key], load))
        for identifier, call in calls.items()
    }


def check_failures(run: StageRun, origin: Origin, outcomes: Sequence[Outcome]) -> None:
    """
    Raises:
        EngineError: so large a share of the calls failed that it is the engine's fault.
    """
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if not errors or len(errors) < run.profile.max_failed_share * len(outcomes):
        return
    reasons = Counter(error.partition(":")[0] for error in errors)
    reason, times = reasons.most_common(1)[0]
    example = next(error for error in errors if error.partition(":")[0] == reason)
    raise EngineError(
        f"{len(errors)} of {len(outcomes)} calls of the {origin.kind.upper()} engine "
        f"{origin.engine} failed, {times} of them like this: {example}. Nothing of {run.stage} was "
        f"replaced. Mend the engine, or its settings in the profile {run.profile.name}, and run it "
        "again: answers are kept, and only failed calls are made again. All errors: "
        f"`sdg sql \"SELECT error, count(*) FROM model_calls WHERE run_id = '{run.run_id}' "
        'GROUP BY ALL"`'
    )


def _read(outcome: Outcome, load: Callable[[Json], Result]) -> Result | Failure:
    if outcome.response is None:
        reason, _, detail = (outcome.error or "").partition(": ")
        return Failure(reason, detail)
    return load(outcome.response)


def _succeed(response: Json, usage: Usage) -> Outcome:
    return Outcome(response, **asdict(usage))


def _fail(failure: Failure) -> Outcome:
    return Outcome(None, f"{failure.reason}: {failure.detail}")
