"""Text question answering data in; one row per question out, split by passage."""

from collections import Counter
from itertools import islice

import dagster as dg
from pydantic import Field

from sdg_assets.corpora import open_text_qa_reader
from sdg_assets.corpora.base import Reject, SourceQA
from sdg_assets.corpora.files import sha256_of
from sdg_assets.corpora.splits import split_of
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import stage
from sdg_assets.stages.views import histograms


class TextQAConfig(StageConfig):
    limit: int = Field(
        0, ge=0, description="Take only the first N questions: for a quick trial. 0: all."
    )


@stage(kinds=frozenset({"text_qa"}), group="sources", tools=frozenset({"duckdb"}))
def text_qa(run: StageRun, config: TextQAConfig) -> StageResult:
    """Questions and answers about passages, as the corpus gives them.

    The split is decided here by passage, so that no passage is on two sides.
    """
    reader = open_text_qa_reader(run.corpus)
    found = list(islice(reader.read(run.language), config.limit or None))
    items = [item for item in found if isinstance(item, SourceQA)]
    hashes = {path: sha256_of(path) for path in {item.source_path for item in items}}
    rows = [
        {
            "qa_id": item.qa_id,
            "passage_id": item.passage_id,
            "split": split_of(item, run.corpus.split),
            "context": item.context,
            "question": item.question,
            "answer": item.answer,
            "answerable": item.answerable,
            "source_path": item.source_path,
            "source_sha256": hashes[item.source_path],
        }
        for item in items
    ]
    return StageResult(
        rows,
        [item for item in found if isinstance(item, Reject)],
        rows_in=len(found),
        metadata={
            "passages": len({item.passage_id for item in items}),
            "unanswerable": sum(not item.answerable for item in items),
            "split": dict(Counter(row["split"] for row in rows)),
            "plot": dg.MetadataValue.md(
                histograms(
                    {
                        "context characters": [len(item.context) for item in items],
                        "question characters": [len(item.question) for item in items],
                        "answer characters": [len(item.answer) for item in items],
                    }
                )
            ),
        },
    )
