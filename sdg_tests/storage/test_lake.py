"""The lake on real catalogs: replacing, reading, time travel, migrations, errors."""

import multiprocessing
import shutil
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdg_assets.storage import lake as lake_module
from sdg_assets.storage import migrations, validation
from sdg_assets.storage.lake import Lake, LakeConfig, LakeError, Replacement
from sdg_assets.storage.tables import TABLES
from sdg_tests.storage.conftest import sqlite_config
from sdg_tests.storage.rows import (
    make_rows,
    make_transcripts,
    replace_quarantine,
    replace_transcripts,
)

SCRIPTS = [
    "plain",
    "你好，世界",
    "नमस्ते दुनिया",
    "مرحبا بالعالم",
    "こんにちは",
    "",
    "a'b\"c\\d\n\t\0e",
    "👩‍🚀",
]


def texts(lake: Lake, **where: str) -> list[str]:
    rows = lake.read("transcripts", where=where, order_by=["corpus", "language", "utterance_id"])
    found: list[str] = rows.column("text").to_pylist()
    return found


def test_a_new_lake_has_every_table_empty(sqlite_lake: Lake) -> None:
    for name, schema in TABLES.items():
        rows = sqlite_lake.read(name)
        assert rows.schema == schema
        assert rows.num_rows == 0


def test_every_type_survives(lake: Lake) -> None:
    labels = make_rows(
        "pseudo_labels",
        [
            {
                "corpus": "c", "language": "zh", "utterance_id": f"u{number}", "text": text,
                "avg_logprob": -0.25, "flags": ["loop", text], "trusted": number % 2 == 0,
            }
            for number, text in enumerate(SCRIPTS)
        ],
    )  # fmt: skip
    checkpoint = make_rows(
        "trained_checkpoints",
        [
            {
                "corpus": "c", "language": "zh", "checkpoint_id": "k", "data_snapshot": 2**40,
                "trained_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            }
        ],
    )  # fmt: skip
    where = {"corpus": "c", "language": "zh"}
    lake.replace(
        Replacement("pseudo_labels", labels, where),
        Replacement("trained_checkpoints", checkpoint, where),
    )
    assert lake.read("pseudo_labels", order_by=["utterance_id"]).equals(labels)
    assert lake.read("trained_checkpoints").equals(checkpoint)


def test_replace_touches_only_what_matches(lake: Lake) -> None:
    lake.replace(replace_transcripts("a", "en", ["1", "2"]), replace_transcripts("a", "de", ["3"]))
    lake.replace(replace_transcripts("a", "en", ["4"]))
    assert texts(lake, corpus="a", language="en") == ["4"]
    assert texts(lake, corpus="a", language="de") == ["3"]
    lake.replace(replace_transcripts("a", "en", []))
    assert texts(lake) == ["3"]


def test_read_selects_columns_values_and_order(sqlite_lake: Lake) -> None:
    sqlite_lake.replace(*(replace_transcripts(c, "en", [c + "0", c + "1"]) for c in "abc"))
    rows = sqlite_lake.read(
        "transcripts",
        where={"corpus": ["a", "c"], "utterance_id": "u1"},
        columns=["text", "corpus"],
        order_by=["corpus"],
    )
    assert rows.to_pylist() == [{"text": "a1", "corpus": "a"}, {"text": "c1", "corpus": "c"}]
    assert sqlite_lake.read("transcripts", where={"corpus": []}).num_rows == 0


def test_each_version_can_be_read_again(lake: Lake) -> None:
    versions = [lake.replace(replace_transcripts("a", "en", [str(n)] * 3)) for n in range(4)]
    assert versions == sorted(set(versions))
    assert lake.snapshot() == versions[-1]
    for number, version in enumerate(versions):
        assert lake.version_exists(version)
        rows = lake.read("transcripts", version=version)
        assert rows.column("text").to_pylist() == [str(number)] * 3
    assert not lake.version_exists(versions[-1] + 1)
    with pytest.raises(LakeError, match="never was, or has been removed"):
        lake.read("transcripts", version=versions[-1] + 1)


def test_one_bad_replacement_undoes_all(sqlite_lake: Lake) -> None:
    before = sqlite_lake.replace(replace_transcripts("a", "en", ["old"]))
    bad = make_rows("quarantine", [{"corpus": "a", "language": "de", "stage": "transcripts"}])
    with pytest.raises(LakeError, match=r"Row 0 .*language = 'de'.*language = 'en'"):
        sqlite_lake.replace(
            replace_transcripts("a", "en", ["new"]),
            Replacement("quarantine", bad, {"corpus": "a", "language": "en"}),
        )
    assert sqlite_lake.snapshot() == before
    assert texts(sqlite_lake) == ["old"]


WHERE = {"corpus": "a", "language": "en"}
GOOD = make_transcripts("a", "en", ["x", "y"])


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        (Replacement("transcript", GOOD, WHERE), "no table 'transcript'.*transcripts"),
        (Replacement("transcripts", GOOD.drop_columns(["text"]), WHERE), "lack column 'text'"),
        (
            Replacement("transcripts", GOOD.append_column("txt", GOOD.column("text")), WHERE),
            "no column 'txt'",
        ),
        (
            Replacement("transcripts", GOOD.set_column(3, "text", pa.array([["x"], ["y"]])), WHERE),
            "'text'.*list<.*does not fit string",
        ),
        (Replacement("transcripts", GOOD, {"corpus": "b"}), "Row 0 .*corpus = 'a'"),
        (
            Replacement("transcripts", GOOD.set_column(0, "corpus", pa.array(["a", None])), WHERE),
            "Row 1 .*corpus = None",
        ),
        (Replacement("transcripts", GOOD, {"corpora": "a"}), "no column 'corpora'"),
        (Replacement("transcripts", GOOD, {}), "would delete every row"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    sqlite_lake: Lake, replacement: Replacement, message: str
) -> None:
    with pytest.raises(LakeError, match=message):
        sqlite_lake.replace(replacement)
    assert sqlite_lake.read("transcripts").num_rows == 0


def test_columns_in_another_order_and_width_fit(sqlite_lake: Lake) -> None:
    rows = GOOD.select(list(reversed(GOOD.column_names)))
    wide = rows.set_column(0, "text_source", rows.column(0).cast(pa.large_string()))
    sqlite_lake.replace(Replacement("transcripts", wide, WHERE))
    assert sqlite_lake.read("transcripts", order_by=["utterance_id"]).equals(GOOD)


def test_append_adds(sqlite_lake: Lake) -> None:
    for number in range(3):
        sqlite_lake.append("model_calls", make_rows("model_calls", [{"key": f"k{number}"}]))
    assert sqlite_lake.read("model_calls").num_rows == 3


def test_compact_keeps_rows_and_versions(lake: Lake) -> None:
    versions = []
    for number in range(10):
        lake.append("model_calls", make_rows("model_calls", [{"key": f"k{number}"}]))
        versions.append(lake.snapshot())
    lake.compact("model_calls")
    info = lake.query("SELECT table_name, file_count FROM ducklake_table_info('lake')")
    assert {"table_name": "model_calls", "file_count": 1} in info.to_pylist()
    for number, version in enumerate(versions, start=1):
        assert lake.read("model_calls", version=version).num_rows == number


def test_query_knows_bare_names_parameters_and_further_tables(sqlite_lake: Lake) -> None:
    sqlite_lake.replace(replace_transcripts("a", "en", ["x", "y", "z"]))
    wanted = pa.table({"utterance_id": ["u2", "u0"]})
    found = sqlite_lake.query(
        "SELECT text FROM transcripts JOIN wanted USING (utterance_id)"
        " WHERE corpus = ? ORDER BY text",
        ["a"],
        tables={"wanted": wanted},
    )
    assert found.to_pylist() == [{"text": "x"}, {"text": "z"}]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM transcripts", "only reads"),
        ("DROP TABLE transcripts", "only reads"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM transcripts", "nothing"),
        ("SELECT * FROM nowhere", "nowhere"),
    ],
)
def test_query_refuses(sqlite_lake: Lake, sql: str, message: str) -> None:
    sqlite_lake.replace(replace_transcripts("a", "en", ["x"]))
    with pytest.raises(LakeError, match=message):
        sqlite_lake.query(sql)
    assert texts(sqlite_lake) == ["x"]


def test_stream_yields_all_in_small_batches(sqlite_lake: Lake) -> None:
    sqlite_lake.replace(replace_transcripts("a", "en", map(str, range(5000))))
    batches = list(sqlite_lake.stream("SELECT text FROM transcripts", batch_rows=1000))
    assert len(batches) > 1
    assert sorted(int(t) for b in batches for t in b.column(0).to_pylist()) == list(range(5000))


def test_a_stream_that_is_left_does_not_block_writers(lake: Lake) -> None:
    lake.replace(replace_transcripts("a", "en", map(str, range(5000))))
    rows = lake.stream("SELECT text FROM transcripts", batch_rows=100)
    next(rows)
    lake.replace(replace_transcripts("a", "en", ["new"]))
    assert sum(batch.num_rows for batch in rows) >= 4000  # of the version it began with
    assert texts(lake) == ["new"]


def pretend_release(monkeypatch: pytest.MonkeyPatch, tables: dict[str, pa.Schema]) -> None:
    for module in (lake_module, migrations, validation):
        monkeypatch.setattr(module, "TABLES", MappingProxyType(tables))


def test_an_older_lake_gets_new_columns_and_tables(
    config: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = TABLES["transcripts"].names.index("text_source")
    older = {name: schema for name, schema in TABLES.items() if name != "quarantine"}
    older["transcripts"] = TABLES["transcripts"].remove(newer)
    pretend_release(monkeypatch, older)
    before = Lake(config).replace(
        Replacement("transcripts", GOOD.drop_columns(["text_source"]), WHERE)
    )
    monkeypatch.undo()

    lake = Lake(config)
    assert lake.read("transcripts", order_by=["utterance_id"]).equals(GOOD)
    rows = GOOD.set_column(newer, "text_source", pa.array(["f1", "f2"]))
    lake.replace(
        Replacement("transcripts", rows, WHERE), replace_quarantine("a", "en", ["too short"])
    )
    assert lake.read("transcripts", order_by=["utterance_id"]).equals(rows)
    assert lake.read("transcripts", version=before, order_by=["utterance_id"]).equals(GOOD)
    assert lake.read("transcripts", version=before, where={"text_source": "f1"}).num_rows == 0
    assert lake.read("quarantine", version=before, where={"reason": "x"}).num_rows == 0


def test_a_lake_of_other_types_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = TABLES["transcripts"].set(3, pa.field("text", pa.int64()))
    pretend_release(monkeypatch, {**TABLES, "transcripts": other})
    Lake(sqlite_config(tmp_path)).snapshot()
    monkeypatch.undo()
    with pytest.raises(LakeError, match=r"transcripts\.text is BIGINT.*VARCHAR"):
        Lake(sqlite_config(tmp_path)).snapshot()


PARTITIONS = st.sampled_from([("a", "en"), ("a", "zh"), ("b", "en")])
STEPS = st.lists(st.tuples(PARTITIONS, st.lists(st.text(), max_size=4)), max_size=6)


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(sqlite_config(tmp_path_factory.mktemp("model")))
    yield lake
    lake.close()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_replace_behaves_like_a_dict(
    shared_lake: Lake, steps: list[tuple[tuple[str, str], list[str]]]
) -> None:
    model: dict[tuple[str, str], list[str]] = {}
    history = {}
    for (corpus, language), values in steps:
        version = shared_lake.replace(replace_transcripts(corpus, language, values))
        model[corpus, language] = values
        history[version] = dict(model)
    for version, expected in history.items():
        for (corpus, language), values in expected.items():
            rows = shared_lake.read(
                "transcripts",
                where={"corpus": corpus, "language": language},
                order_by=["utterance_id"],
                version=version,
            )
            assert rows.column("text").to_pylist() == values


def test_threads_share_a_lake(lake: Lake) -> None:
    with ThreadPoolExecutor(6) as pool:
        versions = list(
            pool.map(
                lambda n: lake.replace(replace_transcripts(f"c{n}", "en", [str(n)] * 5)), range(12)
            )
        )
    assert len(set(versions)) == 12
    assert (
        lake.query("SELECT corpus, count(*) AS n FROM transcripts GROUP BY corpus").num_rows == 12
    )
    assert lake.read("transcripts").num_rows == 60


def test_a_forked_process_opens_its_own_connection(lake: Lake) -> None:
    lake.replace(replace_transcripts("a", "en", ["parent"]))
    context = multiprocessing.get_context("fork")
    child = context.Process(target=lambda: lake.replace(replace_transcripts("b", "en", ["child"])))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert texts(lake) == ["parent", "child"]


def test_closing_is_not_final(sqlite_lake: Lake) -> None:
    sqlite_lake.replace(replace_transcripts("a", "en", ["x"]))
    sqlite_lake.close()
    sqlite_lake.close()
    assert texts(sqlite_lake) == ["x"]


def test_an_unreachable_catalog_is_named_without_its_password(tmp_path: Path) -> None:
    for catalog in (
        "postgresql://me:secret@127.0.0.1:1/sdg",
        "host=127.0.0.1 port=1 user=me password='se cret'",
    ):
        with pytest.raises(LakeError, match="Check that the catalog's server runs") as caught:
            Lake(LakeConfig(catalog, str(tmp_path))).snapshot()
        logged = "".join(traceback.format_exception(caught.value))
        assert "127.0.0.1" in logged
        assert "cret" not in logged


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LakeError, match="file/lake"):
        Lake(sqlite_config(tmp_path / "file" / "lake")).snapshot()
    config = LakeConfig(f"sqlite:///{tmp_path}/catalog.sqlite", str(tmp_path / "file" / "data"))
    with pytest.raises(LakeError, match="file/data"):
        Lake(config).replace(replace_transcripts("a", "en", ["x"]))


def test_a_damaged_catalog_is_named(tmp_path: Path) -> None:
    config = sqlite_config(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"not a database at all" * 500)
    with pytest.raises(LakeError, match=r"catalog\.sqlite"):
        Lake(config).snapshot()


def test_another_data_folder_is_refused(sqlite_lake: Lake, tmp_path: Path) -> None:
    sqlite_lake.replace(replace_transcripts("a", "en", ["x"]))
    other = Lake(LakeConfig(sqlite_lake.config.catalog, str(tmp_path / "elsewhere")))
    with pytest.raises(LakeError, match="Set the data URL"):
        other.snapshot()


@pytest.mark.parametrize("catalog", ["", "mysql://x", "catalog.sqlite"])
def test_an_unknown_kind_of_catalog_is_refused(catalog: str) -> None:
    with pytest.raises(LakeError, match="sqlite:///path"):
        Lake(LakeConfig(catalog, "/tmp"))


def test_a_lake_that_was_moved_with_its_data_reads_and_writes_there(tmp_path: Path) -> None:
    """Also while the original is still there: a copy must not read or change it."""
    old, new = tmp_path / "old", tmp_path / "new"
    original = Lake(sqlite_config(old))
    original.replace(replace_transcripts("c", "en", ["a"]))
    version = original.snapshot()
    original.close()
    shutil.copytree(old, new)
    copy = Lake(sqlite_config(new))
    copy.replace(replace_transcripts("c", "en", ["b"]))
    assert texts(copy) == ["b"]
    assert copy.read("transcripts", version=version).column("text").to_pylist() == ["a"]
    assert texts(Lake(sqlite_config(old))) == ["a"]
    assert Lake(sqlite_config(new), read_only=True).query("FROM transcripts").num_rows == 1


def test_a_lake_does_not_lose_its_data_by_another_url(tmp_path: Path) -> None:
    Lake(sqlite_config(tmp_path)).replace(replace_transcripts("c", "en", ["a"]))
    elsewhere = LakeConfig(f"sqlite:///{tmp_path}/catalog.sqlite", str(tmp_path / "other"))
    with pytest.raises(LakeError, match="Set the data URL to the one that the lake was made with"):
        Lake(elsewhere).read("transcripts")
