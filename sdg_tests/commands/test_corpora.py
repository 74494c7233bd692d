"""`sdg corpora check` and `register`: one check for both, and nothing is registered in part."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sdg_assets.commands.corpora import check_files, register_files
from sdg_assets.corpora.base import CorpusError
from sdg_assets.storage.lake import Replacement
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register, write_speech
from sdg_tests.storage.rows import make_rows

TALKS: dict[str, Any] = {
    "name": "talks",
    "kind": "labelled_speech",
    "languages": ["en"],
    "reader": {"layout": "folder", "path": "talks"},
}
WHERE = {"corpus": "talks", "language": "en"}
MIXTURE: dict[str, Any] = {"name": "mix", "kind": "mixture", "languages": ["en"]}


@pytest.fixture
def talks(home: Path, tmp_path: Path) -> Path:
    """The file of a corpus of three speakers, which are too few for three sets."""
    for speaker in ("ann", "bob", "eve"):
        write_speech(tmp_path / "talks" / speaker, ["One lamp.", "Two lamps."])
    return write(tmp_path, TALKS)


def write(folder: Path, *corpora: dict[str, Any]) -> Path:
    path = folder / "corpora.yaml"
    path.write_text(yaml.safe_dump_all(corpora), encoding="utf-8")
    return path


def put(table: str, row: dict[str, str]) -> None:
    rows = make_rows(table, [WHERE | row])
    open_workspace().lake.replace(Replacement(table, rows, WHERE))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TALKS | {"name": "x", "reader": {"layout": "folder", "path": "absent"}}, "is no folder"),
        (
            TALKS | {"name": "x", "reader": {"layout": "folder", "path": "talks", "include": "z*"}},
            "found 0 records",
        ),
        (MIXTURE | {"members": ["talks", "quiz"]}, "no corpus 'quiz' is registered"),
        (MIXTURE | {"members": ["talks"], "languages": ["de"]}, "none of its members has de"),
    ],
)
def test_what_check_refuses_is_not_registered(
    talks: Path, wrong: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(talks.parent, TALKS, wrong)
    assert not check_files([path])
    assert said in " ".join(capsys.readouterr().out.replace("│", " ").split())
    with pytest.raises(CorpusError, match="nothing was registered"):
        register_files([path])
    assert said in " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert open_workspace().corpora.names() == ()


def test_the_split_is_shown_with_what_it_lacks(
    talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_files([talks])
    said = capsys.readouterr().out
    assert "split by speaker: train 4 (2 speakers), validation 2 (1 speaker), test 0\n" in said
    assert "warning none of its 6 items (3 speakers) is in test: split by utterance" in said


def test_the_kind_changes_as_long_as_nothing_is_made(
    talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register_files([talks])
    again = write(talks.parent, TALKS | {"kind": "unlabelled_speech"})
    register_files([again])
    assert '"labelled_speech" -> "unlabelled_speech"' in capsys.readouterr().out
    put("raw_audio", {"utterance_id": "u"})
    write(talks.parent, TALKS)
    assert not check_files([talks])
    assert "registered as unlabelled_speech, and the lake has rows of it (raw_audio 1)" in (
        capsys.readouterr().out
    )
    with pytest.raises(CorpusError, match="nothing was registered"):
        register_files([talks])
    assert open_workspace().corpus("talks").kind == "unlabelled_speech"


def test_what_nothing_was_made_of_is_forgotten_with_its_kind(talks: Path) -> None:
    """That a stage ran, and what it refused, is of the old kind."""
    register(talks.parent, **TALKS)
    for table in ("quarantine", "materializations"):
        put(table, {"stage": "raw_audio"})
    lake = open_workspace().lake
    register(talks.parent, **TALKS | {"kind": "unlabelled_speech"})
    assert lake.read("quarantine").num_rows == lake.read("materializations").num_rows == 0
