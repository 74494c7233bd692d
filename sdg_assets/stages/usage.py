"""What a stage's engines did: calls, time, speed and cost, for a plot over time and to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from sdg_assets.rows import align
from sdg_assets.stages.views import markdown_table
from sdg_assets.storage.ledger import Summary


@dataclass(frozen=True, slots=True)
class EngineUse:
    """The calls of one engine, of those that a stage needed."""

    kind: str  # asr | llm | tts
    name: str
    calls: Summary

    def figures(self) -> dict[str, float]:
        """What is known of it; speeds are those of the calls made now."""
        calls = self.calls
        tokens = (calls.input_tokens or 0) + (calls.output_tokens or 0)
        speeds = {
            "calls_per_second": calls.performed,
            "audio_seconds_per_second": calls.audio_seconds,
            "tokens_per_second": tokens,
        }
        return {
            "calls": calls.performed,
            "reused": calls.reused,
            "failed": calls.failed,
            "seconds": calls.seconds,
            **{name: done / calls.seconds for name, done in speeds.items() if done},
            **({} if calls.cost is None else {"cost": calls.cost}),
        }


def describe_engines(uses: Sequence[EngineUse]) -> dict[str, Any]:
    """Metadata: each figure under ``<kind>_<figure>``, and all of them as a table.

    An engine that was used several times, as for several languages, is told once.
    """
    if not uses:
        return {}
    calls: dict[tuple[str, str], Summary] = {}
    for use in uses:
        key = (use.kind, use.name)
        calls[key] = calls.get(key, Summary(reused=0)).merge(use.calls)
    merged = [EngineUse(*key, summary) for key, summary in calls.items()]
    rows = [{"engine": use.name, **use.figures()} for use in merged]
    table = markdown_table(align(rows))
    scalars = {
        f"{use.kind}_{name}": value for use in merged for name, value in use.figures().items()
    }
    return {"engines": dg.MetadataValue.md(table), **scalars}
