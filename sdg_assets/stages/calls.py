"""Engine calls through the ledger: what was answered before is not asked again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from sdg_assets.audio import audio_sha256, decode_flac, encode_flac, measure, resample
from sdg_assets.engines import open_asr, open_llm, open_tts
from sdg_assets.engines.base import (
    ASR_RATE,
    ASRRequest,
    ASRResult,
    Failure,
    Fingerprint,
    LLMRequest,
    LLMResult,
    Message,
    TTSRequest,
    TTSResult,
    Usage,
)
from sdg_assets.stages.clips import ref_of
from sdg_assets.stages.stage import StageRun
from sdg_assets.storage.ledger import Call, Origin, Outcome, call_key

Result = TypeVar("Result")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered(Generic[Result]):
    """A recorded call: its key in the ledger, and what came of it."""

    key: str
    result: Result | Failure


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is to be spoken, by which voice."""

    text: str
    voice: str
    seed: int


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
    run: StageRun, audio: Sequence[Row], language: str | None
) -> dict[str, Answered[ASRResult]]:
    """ASR of rows of ``raw_audio``, by utterance id.

    Args:
        language: the one to tell the engine; None lets it find out.
    """
    engine = open_asr(run.profile.asr)
    clips = {row["audio_sha256"]: ref_of(row) for row in audio}
    requests = {
        row["utterance_id"]: {"audio_sha256": row["audio_sha256"], "language": language}
        for row in audio
    }

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        refs = [clips[call.request["audio_sha256"]] for call in calls]
        flacs = run.workspace.blobs.read_many(refs)
        batch = [ASRRequest(decode_flac(flac), language) for flac in flacs]
        return [_outcome(result, dump_asr) for result in engine.transcribe(batch)]

    return _complete(run, engine.fingerprint, requests, perform, load_asr, "")


def ask(
    run: StageRun, prompts: Mapping[str, tuple[Message, ...]], prompt_version: str
) -> dict[str, Answered[LLMResult]]:
    """The LLM's answer to each prompt, by its id."""
    engine = open_llm(run.profile.llm)
    requests = {
        identifier: {"messages": [asdict(message) for message in messages], "seed": run.profile.seed}
        for identifier, messages in prompts.items()
    }

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        batch = [
            LLMRequest(
                tuple(Message(**message) for message in call.request["messages"]),
                seed=call.request["seed"],
            )
            for call in calls
        ]
        return [_outcome(result, dump_llm) for result in engine.generate(batch)]

    return _complete(run, engine.fingerprint, requests, perform, load_llm, prompt_version)


def synthesize(run: StageRun, texts: Mapping[str, Spoken]) -> dict[str, Answered[StoredSpeech]]:
    """Speech of each text, by its id, stored as 16 kHz FLAC: one shard for each chunk of calls."""
    engine = open_tts(run.profile.tts)
    requests = {
        identifier: {**asdict(spoken), "language": run.language}
        for identifier, spoken in texts.items()
    }

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        results = engine.synthesize([TTSRequest(**call.request) for call in calls])
        return _store(run, calls, results)

    return _complete(run, engine.fingerprint, requests, perform, _load_speech, "")


def _complete(
    run: StageRun,
    fingerprint: Fingerprint,
    requests: Mapping[str, Mapping[str, Any]],
    perform: Callable[[Sequence[Call]], list[Outcome]],
    load: Callable[[Outcome], Result],
    prompt_version: str,
) -> dict[str, Answered[Result]]:
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
    outcomes = run.workspace.ledger.complete(
        list(calls.values()),
        perform,
        origin=origin,
        chunk=run.profile.chunk,
        report=run.report,
    )
    return {
        identifier: Answered(call.key, _read(outcomes[call.key], load))
        for identifier, call in calls.items()
    }


def _read(outcome: Outcome, load: Callable[[Mapping[str, Any]], Result]) -> Result | Failure:
    if outcome.response is None:
        reason, _, detail = (outcome.error or "").partition(": ")
        return Failure(reason, detail)
    return load(outcome.response)


def _outcome(
    result: Failure | Result, dump: Callable[[Result], dict[str, Any]], usage: Usage
) -> Outcome:
    if isinstance(result, Failure):
        return Outcome(None, f"{result.reason}: {result.detail}")
    return Outcome(
        dump(result),
        seconds=usage.seconds,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        audio_seconds=usage.audio_seconds,
        cost=usage.cost,
    )
