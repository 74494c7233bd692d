"""The command line as a user meets it: what goes wrong is a sentence, and nothing is harmed."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
import yaml

from sdg_assets.commands.invocation import program
from sdg_assets.corpora.keys import Partition
from sdg_assets.storage.blobs import BlobRef
from sdg_assets.storage.lake import Replacement
from sdg_assets.workspace import open_workspace
from sdg_tests.calls import call_sdg
from sdg_tests.factory import register_folder, write_speech
from sdg_tests.storage.rows import make_rows, replace_transcripts

SENTENCE = "Abigail bought a red lamp."

CORPUS = """
name: talks
kind: labelled_speech
languages: [en]
reader: {layout: folder, path: "talks/{language}"}
"""
MIXTURE = """
name: everything
kind: mixture
languages: [en, mul]
members: [talks, quiz]
"""


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that must fail says; never a traceback."""
    capsys.readouterr()
    assert call_sdg(*arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "Traceback" not in said
    return said


@pytest.fixture
def talks(home: Path, tmp_path: Path) -> Partition:
    """A registered corpus of two recordings."""
    write_speech(tmp_path / "talks" / "en", [SENTENCE, "Victor lost a key."])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    return Partition("talks", "en")


def test_a_query_cannot_destroy_anything(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_workspace().lake.replace(replace_transcripts("c", "en", ["kept"]))
    for query in ("COMMIT; DELETE FROM lake.transcripts", "COMMIT; DROP TABLE lake.transcripts"):
        assert "one statement" in error_of(capsys, "sql", query)
    assert "SHOW TABLES" in error_of(capsys, "sql", "")
    assert "only reads" in error_of(capsys, "sql", f"COPY (SELECT 1) TO '{home}/x.csv'")
    assert not (home / "x.csv").exists()
    assert open_workspace().lake.read("transcripts").num_rows == 1


def test_a_query_shows_data_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_workspace().lake.snapshot()
    query = "SELECT 'x' AS a, ':smile: [bold]' AS a"
    for output in ("table", "csv", "json"):
        assert call_sdg("sql", query, "--format", output) == 0
        said = capsys.readouterr().out
        assert "a_1" in said
        assert ":smile: [bold]" in said


@pytest.mark.parametrize(
    "command", [("sql", "SELECT 1"), ("calls",), ("trace", "x"), ("gc",), ("corpora", "list"),
                ("languages", "list")]
)  # fmt: skip
def test_what_only_looks_begins_no_home(
    tmp_path: Path,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SDG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert f"no home at {tmp_path}/.sdg" in error_of(capsys, *command)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a\\b"])
def test_a_home_that_databases_misread_is_refused(
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SDG_HOME", str(tmp_path / name))
    assert "choose another" in error_of(capsys, "landing")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("raw_audio.limt=3", "limt: no such field; did you mean `limit`?"),
        ("raw_audio.limit=abc", "limit: Input should be a valid integer"),
        ("raw_audio.limit=-1", "greater than or equal to 0, not -1"),
        ("raw_audio.profile=x", "no profile 'x'"),
        ("trained_checkpoints.recipe={epoch: 1}", "epoch: no such field; did you mean `epochs`?"),
        ("trained_checkpoints.recipe={lora: {rnk: 1}}", "lora.rnk: no such field; did you mean"),
    ],
)
def test_a_wrong_setting_is_explained_before_anything_runs(
    talks: Partition, setting: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, "run", "talks/en", "--set", setting)
    assert expected in said
    assert "http" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("catalog: 'sqlite:///{homee}/x'", "catalog: nothing is known as {homee}"),
        ("blobs_url: bogus://x", "blobs_url: no storage is known as bogus://"),
        ("landing: {url: bogus://x}", "landing.url: no storage is known as bogus://"),
        ("data_url: gs://x", "data_url: 'gs://x' is neither a folder nor s3://"),
        ("profil: tiny", "profil: no such field; did you mean `profile`?"),
        ("landing: {quiet: 3}", "Fields here: url, quiet_seconds, max_partitions_per_tick"),
    ],
)
def test_a_mistake_in_sdg_yaml_is_explained(
    home: Path, text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "sdg.yaml").write_text(text, encoding="utf-8")
    said = error_of(capsys, "sql", "SELECT 1")
    assert expected in said
    assert f"{home}/sdg.yaml" in said


def test_one_file_may_hold_several_corpora(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_speech(tmp_path / "talks" / "en", [SENTENCE])
    path = tmp_path / "corpora.yaml"
    path.write_text(f"{CORPUS}---{MIXTURE}", encoding="utf-8")
    assert call_sdg("corpora", "check", str(path)) == 1
    assert "members: no corpus 'quiz' is registered" in capsys.readouterr().out
    path.write_text(f"{CORPUS}---{MIXTURE.replace(', quiz', '')}", encoding="utf-8")
    assert call_sdg("corpora", "check", str(path)) == 0
    assert not home.exists()
    assert call_sdg("corpora", "register", str(path)) == 0
    assert set(open_workspace().corpora.all()) == {"talks", "everything"}


def test_a_mixture_has_a_language_that_a_member_has(
    talks: Partition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixture.yaml"
    path.write_text(MIXTURE.replace("en, mul", "de, mul").replace(", quiz", ""), encoding="utf-8")
    assert call_sdg("corpora", "check", str(path)) == 1
    assert "none of its members has de" in capsys.readouterr().out


def test_registering_again_says_what_changed(
    talks: Partition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "again.yaml"
    path.write_text(f"{CORPUS}max_seconds: 5\n", encoding="utf-8")
    assert call_sdg("corpora", "register", str(path)) == 0
    assert "max_seconds: 120.0 -> 5.0" in capsys.readouterr().out


def test_a_corpus_is_removed(talks: Partition, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_sdg("run", "talks/en", "--only", "raw_audio") == 0
    assert "corpora remove talks --yes" in error_of(capsys, "corpora", "remove", "talks")
    assert call_sdg("corpora", "remove", "talks", "--yes") == 0
    assert open_workspace().corpora.all() == {}


def test_a_failed_stage_is_told_plainly(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register_folder(tmp_path, "absent", "labelled_speech", ["en"])
    assert call_sdg("run", "absent/en", "--only", "raw_audio") == 1
    said = capsys.readouterr().out
    assert "nothing was made" in said
    assert "failed raw_audio: there is no folder" in said


def test_a_port_that_is_taken_is_found_at_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = str(server.getsockname()[1])
        assert "--port" in error_of(capsys, "dev", "--port", port)
    assert not home.exists()


def test_gc_takes_no_negative_age(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_sdg("gc", "--days", "-1") == 2
    assert call_sdg("gc", "--help") == 0
    assert "what is younger" in " ".join(capsys.readouterr().out.split())


def test_gc_keeps_what_a_checkpoint_was_trained_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = open_workspace()
    where = {"corpus": "c", "language": "en"}
    kept, gone = (workspace.blobs.write_shard("audio", [(n, n.encode())])[0] for n in "ab")
    for ref in (kept, gone):
        os.utime(home / "blobs" / ref.shard, (0, 0))

    def replace(table: str, row: dict[str, object]) -> int:
        rows = make_rows(table, [{**where, **row}])
        return workspace.lake.replace(Replacement(table, rows, where))

    place = {"shard": kept.shard, "byte_offset": kept.offset, "byte_length": kept.length}
    version = replace("training_examples", {"example_id": "x", "context": "old", **place})
    replace("trained_checkpoints", {"checkpoint_id": "k", "data_snapshot": version})
    for number in range(3):
        replace("training_examples", {"example_id": "x", "context": str(number)})
    (home / "training" / "killed").mkdir(parents=True)
    assert call_sdg("gc", "--days", "0") == 0
    assert "nothing was removed" in capsys.readouterr().out
    os.utime((home / "training" / "killed"), (0, 0))
    for _ in range(2):
        assert call_sdg("gc", "--days", "0", "--yes") == 0
    assert not (home / "training" / "killed").exists()
    capsys.readouterr()
    query = f"SELECT context FROM training_examples AT (VERSION => {version})"
    assert call_sdg("sql", query, "--format", "csv") == 0
    assert capsys.readouterr().out == "context\nold\n"
    assert workspace.blobs.read(kept) == b"a"
    assert [blob.key for blob in workspace.blobs.find("audio")] == [kept.shard]
    assert "was trained on" not in error_of(
        capsys, "sql", f"FROM training_examples AT (VERSION => {version + 2})"
    )


def test_a_home_may_be_moved(
    talks: Partition, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, blobs, runs and landed corpora come along, though the old place is gone."""
    write_speech(home / "landing" / "landed" / "en", [SENTENCE], labelled=False)
    assert call_sdg("landing") == 0
    for corpus in ("talks", "landed"):
        assert call_sdg("run", f"{corpus}/en", "--only", "raw_audio") == 0
    moved = tmp_path / "moved"
    shutil.move(home, moved)
    monkeypatch.setenv("SDG_HOME", str(moved))
    assert call_sdg("sql", "SELECT count(*) FROM raw_audio") == 0
    workspace = open_workspace()
    (row,) = workspace.lake.read("raw_audio", where={"corpus": "landed"}).to_pylist()
    blob = workspace.blobs.read(BlobRef(row["shard"], row["byte_offset"], row["byte_length"]))
    assert blob.startswith(b"fLaC")
    assert call_sdg("run", "landed/en", "--only", "raw_audio") == 0
    assert not home.exists()


def test_the_program_is_named_as_it_can_be_typed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/work/there/.venv/bin/python")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Path, "cwd", lambda: Path("/work/there"))
    assert program() == ".venv/bin/sdg"
    monkeypatch.setattr(Path, "cwd", lambda: Path("/work/elsewhere"))
    assert program() == "/work/there/.venv/bin/sdg"


def test_what_is_not_there_yet_says_how_to_make_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "sdg.yaml").write_text("profile: tiny\n")
    for command, said in {
        "leaderboard": "--upto rouge_l_scores",
        "calls": "sdg run",
        "corpora list": "sdg corpora register",
    }.items():
        assert call_sdg(*command.split()) == 0
        assert said in capsys.readouterr().out


def test_calls_and_rows_are_told_in_the_order_of_the_graph(
    talks: Partition, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = open_workspace().lake
    for stage in ("filtered_qa", "generated_qa"):
        where = {**talks.where, "stage": stage}
        done = make_rows("materializations", [{**where, "rows": 2}])
        lake.replace(Replacement("materializations", done, where))
        lake.append("model_calls", make_rows("model_calls", [{**where, "output_tokens": 7}]))
    assert call_sdg("calls") == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines() if line.split()]
    assert lines[-3:] == [
        ["generated_qa", "1", "0", "7"], ["filtered_qa", "1", "0", "7"], ["all", "2", "0", "14"],
    ]  # fmt: skip
    assert "cost" not in printed
    assert call_sdg("corpora", "list", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == "generated_qa 2, filtered_qa 2"


def test_what_may_be_written_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_sdg("corpora", "layouts") == 0
    assert "tsv" in capsys.readouterr().out
    assert call_sdg("corpora", "layouts", "tsv") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("audio_folder", "columns.text", "split.test_groups"))
    assert "``" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "did you mean `tsv`?" in error_of(capsys, "corpora", "layouts", "tsvs")
    assert call_sdg("profiles", "paper-xatt") == 0
    recipe = yaml.safe_load(capsys.readouterr().out)["recipe"]
    assert (recipe["fusion"]["type"], recipe["lora"]["rank"]) == ("cross_attention", 32)
    assert not (home / "lake").exists()
