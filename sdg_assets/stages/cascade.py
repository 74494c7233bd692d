"""What the profile's ASR engine hears in the recordings that a speech LM is asked about.

A recognizer and the bare LLM, one after the other, are what a speech LM has to be better than.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sdg_assets.engines.base import ASRResult
from sdg_assets.stages.calls import transcribe
from sdg_assets.stages.run import StageRun

Recording = tuple[str, int]  # shard and byte offset


def recognize(run: StageRun, examples: Iterable[dict[str, Any]]) -> dict[Recording, str]:
    """The text of each recording, through the ledger; those that the engine failed at are missing.

    Raises:
        EngineError: it failed at so many that the engine is to blame.
    """
    by_language: dict[str, dict[Recording, dict[str, Any]]] = defaultdict(dict)
    for example in examples:
        recording = (example["shard"], example["byte_offset"])
        by_language[example["source_language"]][recording] = example
    texts: dict[Recording, str] = {}
    for language, recordings in by_language.items():
        ids = {"/".join(map(str, recording)): recording for recording in recordings}
        rows = [{**recordings[recording], "utterance_id": name} for name, recording in ids.items()]
        texts |= {
            ids[name]: answered.result.text
            for name, answered in transcribe(run, rows, language).items()
            if isinstance(answered.result, ASRResult)
        }
    return texts
