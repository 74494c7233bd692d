"""XQuAD of the shared data: 240 passages in each language, and what people asked about them."""

import json
from pathlib import Path

from sdg_assets.quality.qa_parsing import QAPair


def read_passages(shared_data: Path, language: str) -> list[tuple[str, list[QAPair]]]:
    """Each passage as it is written, with its questions and the first answer of each."""
    data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
    return [
        (
            paragraph["context"],
            [QAPair(qa["question"], qa["answers"][0]["text"]) for qa in paragraph["qas"]],
        )
        for article in data["data"]
        for paragraph in article["paragraphs"]
    ]
