"""What holds of every reader, whatever its layout."""

import json
from pathlib import Path
from typing import Any

import pytest

from sdg_assets.corpora import explain_nothing
from sdg_tests.corpora.reading import corpus, read

QUESTION = {"context": "c", "question": "q", "answer": "a"}
ROWS: dict[str, str] = {
    "tsv": "path\ttext\tlocale\na.wav\tx\ten-GB\nb.wav\tx\t\nc.wav\tx\tde\n",
    "nemo": "".join(
        json.dumps({"audio_filepath": f"{name}.wav", "text": "x", "lang": tag}) + "\n"
        for name, tag in {"a": "en-GB", "b": "", "c": "de"}.items()
    ),
    "jsonl_qa": "".join(
        json.dumps(QUESTION | {"id": name} | tag) + "\n"
        for name, tag in {"a": {"language": "en"}, "b": {}, "c": {"language": "de"}}.items()
    ),
}


def test_a_reader_that_found_nothing_says_how_it_looked() -> None:
    reader = {"layout": "folder", "path": "/data/{language}", "include": "x-*"}
    names = {"language_names": {"zh-cn": "zh-CN"}}
    config = corpus("unlabelled_speech", reader | names, "en", "zh-cn")
    said = explain_nothing(config, "zh-cn")
    assert said.startswith("its reader found 0 records in 'zh-cn' (layout: folder, ")
    assert "path: /data/zh-CN, include: x-*)" in said


@pytest.mark.parametrize("layout", ROWS)
def test_of_several_languages_an_item_without_a_tag_is_in_none(tmp_path: Path, layout: str) -> None:
    for name in "abc":
        (tmp_path / f"{name}.wav").touch()
    (tmp_path / "rows.en").write_text(ROWS[layout])
    kind = "text_qa" if layout == "jsonl_qa" else "labelled_speech"

    def read_as(path: str, *languages: str) -> Any:
        return read(corpus(kind, {"layout": layout, "path": f"{tmp_path}/{path}"}, *languages))

    found = read_as("rows.en", "en", "de")
    assert found.ids == ["a"]
    assert found.reasons == {"b": "no_language"}
    assert found.rejects[0].detail.endswith(
        "it names no language, and the corpus has several (en, de)"
    )
    assert read_as("rows.en", "en").ids == ["a", "b"]
    assert read_as("rows.{language}", "en", "de").ids == ["a", "b"]
