"""`sdg corpora remove`: what it takes away, and what it leaves alone."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.removal import remove
from sdg_assets.corpora.base import CorpusError
from sdg_assets.storage.lake import Replacement
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register, register_folder, register_quiz, write_speech
from sdg_tests.storage.rows import make_rows


def partitions() -> tuple[set[str], set[str]]:
    with open_instance() as instance:
        return (
            set(instance.get_dynamic_partitions("corpus")),
            set(instance.get_dynamic_partitions("language")),
        )


@pytest.fixture
def quiz(home: Path, tmp_path: Path) -> str:
    """A corpus that has a row; and one in German that has none."""
    register_folder(tmp_path, "talks", "labelled_speech", ["de"])
    register_quiz(tmp_path, [])
    where = {"corpus": "quiz", "language": "en"}
    rows = {"text_qa": {"qa_id": "q"}, "materializations": {"stage": "text_qa"}}
    open_workspace().lake.replace(
        *(Replacement(table, make_rows(table, [where | row]), where) for table, row in rows.items())
    )
    return "quiz"


def test_a_corpus_without_rows_goes_with_its_language(quiz: str) -> None:
    remove("talks", with_rows=False)
    assert open_workspace().corpora.names() == ("quiz",)
    assert partitions() == ({"quiz"}, {"en"})


def test_a_language_that_another_corpus_speaks_stays(quiz: str, tmp_path: Path) -> None:
    register_folder(tmp_path, "calls", "unlabelled_speech", ["de"])
    remove("talks", with_rows=False)
    assert partitions() == ({"quiz", "calls"}, {"de", "en"})


def test_rows_are_removed_only_when_that_is_asked_for(
    quiz: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CorpusError, match=r"\(text_qa 1\): `.* corpora remove quiz --yes`"):
        remove(quiz, with_rows=False)
    lake = open_workspace().lake
    assert lake.read("text_qa").num_rows == 1
    assert partitions()[0] == {"quiz", "talks"}
    before = lake.snapshot()

    remove(quiz, with_rows=True)
    assert partitions()[0] == {"talks"}
    assert [lake.read(table).num_rows for table in ("text_qa", "materializations")] == [0, 0]
    assert lake.read("text_qa", version=before).num_rows == 1
    said = capsys.readouterr().out
    assert f"FROM text_qa AT (VERSION => {before})" in said
    assert "gc --yes" in said


@pytest.mark.parametrize(
    "naming", [{"members": ["quiz"]}, {"members": ["talks"], "evaluate_on": ["quiz"]}]
)
def test_what_a_mixture_names_stays(
    quiz: str, tmp_path: Path, naming: dict[str, list[str]]
) -> None:
    register(tmp_path, name="mix", kind="mixture", languages=["en", "de"], **naming)
    with pytest.raises(CorpusError, match="mix names quiz"):
        remove(quiz, with_rows=True)
    remove("mix", with_rows=False)
    remove(quiz, with_rows=True)


def test_what_a_run_works_on_stays(quiz: str) -> None:
    with open_instance() as instance:
        run = dg.DagsterRun(
            job_name="x", status=dg.DagsterRunStatus.STARTED, tags={PARTITION_NAME_TAG: "quiz|en"}
        )
        instance.add_run(run)
    with pytest.raises(CorpusError, match=r"of quiz\|en is started: let it end, or cancel"):
        remove(quiz, with_rows=True)
    assert open_workspace().lake.read("text_qa").num_rows == 1
    remove("talks", with_rows=False)


def test_what_lies_in_the_landing_folder_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_speech(home / "landing" / "talks" / "en", ["One lamp."])
    register_folder(home / "landing", "talks", "labelled_speech", ["en"])
    remove("talks", with_rows=False)
    assert f"still in {home}/landing/talks" in capsys.readouterr().out


def test_an_unknown_corpus_is_named(quiz: str) -> None:
    with pytest.raises(CorpusError, match="no corpus 'quizz' is registered"):
        remove("quizz", with_rows=True)
