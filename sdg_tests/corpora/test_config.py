"""A corpus's YAML file: what is taken, and what an error tells the person who wrote it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sdg_assets.corpora import open_reader
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig, load_corpora, load_corpus
from sdg_assets.corpora.registry import CorpusRegistry

GOOD: dict[str, Any] = {
    "name": "podcasts",
    "kind": "unlabelled_speech",
    "languages": ["en", "pt-br", "zh-hant-tw"],
    "reader": {"layout": "folder", "path": "audio/{language}"},
}
MIXTURE: dict[str, Any] = {
    "name": "all",
    "kind": "mixture",
    "languages": ["mul", "en"],
    "members": ["podcasts", "squad"],
}


def write(folder: Path, fields: dict[str, Any] | str) -> Path:
    path = folder / "corpus.yaml"
    path.write_text(fields if isinstance(fields, str) else yaml.safe_dump(fields), "utf-8")
    return path


def error_of(folder: Path, fields: dict[str, Any] | str) -> str:
    path = write(folder, fields)
    with pytest.raises(CorpusError) as caught:
        load_corpus(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_corpus(write(tmp_path, GOOD))
    assert config.reader is not None
    assert config.reader.path == f"{tmp_path}/audio/{{language}}"
    assert config.max_seconds == 120
    assert config.split.by == "speaker"


@pytest.mark.parametrize("path", ["/data/x", "s3://bucket/x", "memory://x"])
def test_absolute_paths_and_urls_stay(tmp_path: Path, path: str) -> None:
    change = {"languages": ["en"], "reader": {"layout": "folder", "path": path}}
    config = load_corpus(write(tmp_path, GOOD | change))
    assert config.reader is not None
    assert config.reader.path == path


def test_a_path_for_each_split(tmp_path: Path) -> None:
    reader = {"layout": "squad", "path": {"train": "train.json", "test": "../dev.json"}}
    change = {"kind": "text_qa", "languages": ["en"], "reader": reader}
    config = load_corpus(write(tmp_path, GOOD | change))
    assert config.reader is not None
    assert config.reader.path == {
        "train": f"{tmp_path}/train.json",
        "test": f"{tmp_path.parent}/dev.json",
    }
    assert config.split.by == "passage"


@pytest.mark.parametrize("fields", [GOOD, MIXTURE])
def test_registering_keeps_everything(tmp_path: Path, fields: dict[str, Any]) -> None:
    config = load_corpus(write(tmp_path, fields))
    registry = CorpusRegistry(tmp_path / "home" / "corpora")
    registry.register(config)
    assert registry.get(config.name) == config


def test_a_mixture_reads_nothing_itself() -> None:
    mixture = CorpusConfig.model_validate(MIXTURE)
    assert mixture.speaks("mul")
    assert not mixture.speaks("de")
    with pytest.raises(CorpusError, match="read its members"):
        open_reader(mixture)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kinds": "x"}, "kinds: no such field; did you mean `kind`?"),
        ({"kind": "speech"}, "kind: Input should be 'labelled_speech'"),
        ({"name": "My Corpus"}, "name: 'My Corpus' is not a corpus name: use a-z"),
        ({"name": 7}, "name: Input should be a valid string, not 7"),
        ({"languages": ["pt_BR"]}, "languages.0: 'pt_BR' is not a BCP-47 tag in lower case: write"),
        ({"languages": ["en", "english"]}, "languages.1: 'english' is not a language"),
        ({"languages": [False]}, "languages.0: YAML reads a bare `no` as false"),
        ({"languages": []}, "languages: "),
        ({"languages": "en"}, "languages: write a list: [en]"),
        ({"languages": 3}, "languages: write a list, not 3"),
        ({"languages": ["en", "en"]}, "en is named twice"),
        ({"languages": ["mul"]}, "only a mixture has the language 'mul'"),
        ({"members": ["a"]}, "only a mixture has `members`"),
        ({"reader": None}, "needs a `reader`"),
        ({"reader": {"path": "x"}}, "reader: `layout` is missing: write one of folder, "),
        ({"reader": {"layout": "kaldi"}}, "reader: no layout 'kaldi': write one of folder, "),
        ({"reader": {"layout": "folder"}}, "reader.path: is missing: add `path: ...`"),
        (
            {"reader": {"layout": "folder", "path": "x", "sufixes": []}},
            "reader.sufixes: no such field; did you mean `text_suffixes`?",
        ),
        (
            {"reader": {"layout": "folder", "path": "x", "pattern": "("}},
            "reader.pattern: '(' is not a regular expression",
        ),
        (
            {"reader": {"layout": "folder", "path": "x", "pattern": "(?P<who>.*)/"}},
            "reader.pattern: '(?P<who>.*)/' has the named groups ['who']: write some of",
        ),
        ({"reader": {"layout": "squad", "path": "x"}}, "the layout 'squad' does not hold"),
        (
            {"reader": {"layout": "folder", "path": "x"}},
            "made of the same files: write {language} where their paths differ, or name one",
        ),
        ({"kind": "text_qa"}, "use one of huggingface_qa, jsonl_qa, msmarco, squad"),
        ({"split": {"by": "passage"}}, "split.by cannot be 'passage' for unlabelled_speech"),
        ({"split": {"by": "speaker", "test": 0.5}}, "split: train 0.8 + validation 0.1 + test 0.5"),
        ({"split": {"by": "speaker", "tests": 1}}, "split.tests: no such field; did you mean `te"),
        ({"max_seconds": 0}, "max_seconds: Input should be greater than 0, not 0"),
    ],
)  # fmt: skip
def test_errors_name_the_field_and_what_to_write(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    assert expected in error_of(tmp_path, GOOD | change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"members": []}, "needs `members`"),
        ({"members": ["all"]}, "cannot be its own member"),
        ({"members": ["a", "a"]}, "a is named twice"),
        ({"reader": GOOD["reader"]}, "remove `reader`"),
    ],
)
def test_errors_of_mixtures(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    assert expected in error_of(tmp_path, MIXTURE | change)


@pytest.mark.parametrize(
    "change", [{"kind": "speech"}, {"name": "My Corpus"}, {"languages": ["english"]}]
)
def test_nothing_but_the_mistake_is_told(tmp_path: Path, change: dict[str, Any]) -> None:
    assert len(error_of(tmp_path, GOOD | change).splitlines()) == 2


def test_a_file_may_hold_several_corpora(tmp_path: Path) -> None:
    path = write(tmp_path, f"{yaml.safe_dump(GOOD)}---\n{yaml.safe_dump(MIXTURE)}---\n")
    assert [config.name for config in load_corpora(path)] == ["podcasts", "all"]
    with pytest.raises(CorpusError, match="2 corpora where one is expected"):
        load_corpus(path)
    write(tmp_path, f"{yaml.safe_dump(GOOD)}---\n{yaml.safe_dump(GOOD)}")
    with pytest.raises(CorpusError, match="podcasts twice"):
        load_corpora(path)
    write(tmp_path, f"{yaml.safe_dump(GOOD)}---\n{yaml.safe_dump(MIXTURE | {'members': []})}")
    with pytest.raises(CorpusError, match=r"corpus \(all\):\n.*needs `members`"):
        load_corpora(path)


def test_a_registered_path_inside_the_home_moves_with_it(tmp_path: Path) -> None:
    reader = {"layout": "squad", "path": {"train": "a.json", "test": "/data/{language}.json"}}
    registry = CorpusRegistry(tmp_path / "home" / "corpora")
    (tmp_path / "home").mkdir()
    path = write(tmp_path / "home", GOOD | {"kind": "text_qa", "reader": reader})
    registry.register(load_corpus(path))
    (tmp_path / "home").rename(tmp_path / "moved")
    config = CorpusRegistry(tmp_path / "moved" / "corpora").get("podcasts")
    assert config.reader is not None
    assert config.reader.path == {
        "train": f"{tmp_path}/moved/a.json",
        "test": "/data/{language}.json",
    }


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = error_of(tmp_path, {"kind": "podcast", "languages": "en"})
    assert "name: is missing" in text
    assert "kind: " in text
    assert "languages: " in text


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "name: [unclosed", "a: b: c"])
def test_files_that_are_no_mapping(tmp_path: Path, text: str) -> None:
    error_of(tmp_path, text)


def test_yaml_errors_name_the_line(tmp_path: Path) -> None:
    said = error_of(tmp_path, "name: a\nkind: b: c")
    assert "corpus.yaml is not YAML: line 2, column 8: mapping values are not allowed" in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        load_corpus(tmp_path / "absent.yaml")
