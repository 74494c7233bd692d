"""Read a corpus in a test."""

from dataclasses import dataclass
from typing import Any

from sdg_assets.corpora import open_reader
from sdg_assets.corpora.base import Reject, SourceQA, SourceUtterance
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.remedies import REMEDIES


@dataclass(frozen=True)
class Found:
    items: list[Any]
    rejects: list[Reject]

    @property
    def ids(self) -> list[str]:
        return [i.qa_id if isinstance(i, SourceQA) else i.utterance_id for i in self.items]

    @property
    def texts(self) -> dict[str, str | None]:
        return {item.utterance_id: item.text for item in self.items}

    @property
    def reasons(self) -> dict[str, str]:
        return {reject.item_id: reject.reason for reject in self.rejects}


def corpus(kind: str, reader: dict[str, Any], *languages: str, **fields: Any) -> CorpusConfig:
    return CorpusConfig.model_validate(
        {"name": "test", "kind": kind, "languages": languages or ("en",), "reader": reader} | fields
    )


def read(config: CorpusConfig, language: str | None = None) -> Found:
    found = list(open_reader(config).read(language or config.languages[0]))
    rejects = [item for item in found if isinstance(item, Reject)]
    for reject in rejects:
        assert reject.detail
        assert reject.reason in REMEDIES["text_qa" if config.kind == "text_qa" else "raw_audio"]
        reject.detail.encode()
        reject.source_path.encode()
    return Found([i for i in found if isinstance(i, SourceQA | SourceUtterance)], rejects)
