"""`sdg languages add`: everything is checked before anything is changed, then Dagster is asked."""

from pathlib import Path

import pytest

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.languages import add, group_by_stages
from sdg_assets.commands.run import run_stages
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.keys import Partition
from sdg_assets.settings import SettingsError
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register, register_folder, write_speech
from sdg_tests.processes import run_sdg


def write_questions(folder: Path, language: str) -> None:
    (folder / f"qa.{language}.jsonl").write_text(
        '{"context": "The lamp is red.", "question": "What colour is it?", "answer": "red"}\n'
    )


@pytest.fixture
def corpora(home: Path, tmp_path: Path) -> Path:
    """Questions, labelled and unlabelled speech and a mixture, all of them English so far."""
    for name in ("talks", "calls"):
        for language in ("en", "de"):
            write_speech(tmp_path / name / language, ["Hallo."])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    register_folder(tmp_path, "calls", "unlabelled_speech", ["en"])
    for language in ("en", "de"):
        write_questions(tmp_path, language)
    reader = {"layout": "jsonl_qa", "path": "qa.{language}.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en"], reader=reader)
    register(tmp_path, name="mix", kind="mixture", languages=["en"], members=["talks", "qa"])
    return tmp_path


def languages() -> dict[str, tuple[str, ...]]:
    return {name: config.languages for name, config in open_workspace().corpora.all().items()}


def backfills() -> dict[str, set[str]]:
    """The partitions that every stored backfill asks for, by its stages."""
    with open_instance() as instance:
        stored = instance.get_backfills()
    found = {}
    for backfill in stored:
        data = backfill.asset_backfill_data
        assert data is not None
        cells = {
            key.to_user_string(): set(data.get_target_partitions_subset(key).get_partition_keys())
            for key in backfill.asset_selection or []
        }
        assert len({frozenset(keys) for keys in cells.values()}) == 1
        found[" ".join(sorted(cells))] = set(next(iter(cells.values())))
    return found


@pytest.mark.parametrize(
    ("language", "named", "said"),
    [
        ("mul", ["talks"], "only a mixture has the language 'mul'"),
        ("de", ["talks", "nope"], "no corpus 'nope' is registered"),
        ("it", ["talks"], "no data in 'it': there is no folder .*talks/it"),
        ("it", ["qa"], r"no data in 'it': there is no file .*qa\.it\.jsonl"),
        ("it", ["mix"], "none of its members has it"),
        (
            "mul",
            ["mix"],
            r"unites training_examples of talks\|en, training_examples of qa\|en, not there yet: "
            "`sdg run talks/en --upto training_examples` first",
        ),
        ("de", [], "no corpus is named"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    corpora: Path, language: str, named: list[str], said: str
) -> None:
    before = languages()
    with pytest.raises(CorpusError, match=said):
        add(language, named, "training_examples", wait=False)
    assert (languages(), backfills()) == (before, {})
    with open_instance() as instance:
        assert instance.get_dynamic_partitions("language") == ["en"]


def test_audio_that_cannot_be_used_is_no_data(corpora: Path) -> None:
    (corpora / "talks" / "it").mkdir()
    (corpora / "talks" / "it" / "a.wav").write_bytes(b"RIFF")
    (corpora / "talks" / "it" / "b.wav").write_bytes(b"")
    (corpora / "talks" / "it" / "b.txt").write_text("Anna compra una lampada.")
    said = "none of its items can be used: 1 × missing_text, 1 × empty_file"
    with pytest.raises(CorpusError, match=said):
        add("it", ["talks"], "training_examples", wait=False)


def test_a_stage_that_a_corpus_does_not_reach_is_named(corpora: Path) -> None:
    with pytest.raises(SettingsError, match="text_qa corpus has no stage up to raw_audio"):
        add("de", ["qa"], "raw_audio", wait=False)
    assert languages()["qa"] == ("en",)


def test_each_kind_is_backfilled_through_its_own_stages(corpora: Path) -> None:
    added = run_sdg(corpora / "home", "languages", "add", "de", "--corpora", "talks, calls,qa,mix")
    assert added.returncode == 0, added.stdout
    assert backfills() == {
        "filtered_qa generated_qa raw_audio training_examples transcripts": {"talks|de"},
        "filtered_qa generated_qa pseudo_labels raw_audio training_examples": {"calls|de"},
        "synthesized_speech text_qa training_examples": {"qa|de"},
    }
    assert set(languages().values()) == {("en", "de")}
    said = added.stdout.splitlines()
    assert [line.split()[0] for line in said] == ["backfill"] * 3 + ["mix|de", "`sdg"]
    assert "\x1b" not in added.stdout


def test_a_mixture_is_backfilled_when_its_members_are_done(corpora: Path) -> None:
    run_stages(Partition("qa", "en"), ["text_qa", "synthesized_speech", "training_examples"])
    register(corpora, name="mix", kind="mixture", languages=["en"], members=["qa"])
    add("mul", ["mix"], "training_examples", wait=False)
    configs = {"mix": open_workspace().corpora.get("mix")}
    assert group_by_stages(configs, "mul", "training_examples") == {
        ("training_examples",): [Partition("mix", "mul")]
    }
    assert languages()["mix"] == ("en", "mul")
