"""What holds for every stage: the grid, what does not apply, what is missing, what is replaced."""

from pathlib import Path

import pytest

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import SENTENCES, register, register_folder, write_speech

SPEECH = stages_upto("transcripts")


def rows_of(table: str, partition: Partition) -> list[dict]:  # type: ignore[type-arg]
    where = {"corpus": partition.corpus, "language": partition.language}
    return open_workspace().lake.read(table, where=where).to_pylist()


@pytest.fixture
def talks(home: Path, tmp_path: Path) -> Partition:
    write_speech(tmp_path / "talks" / "en", SENTENCES["en"])
    return Partition(register_folder(tmp_path, "talks", "labelled_speech", ["en"]), "en")


def test_a_labelled_corpus_skips_what_it_does_not_have(talks: Partition) -> None:
    outcome = run_stages(talks, [*SPEECH, "text_qa", "pseudo_labels", "synthesized_speech"])
    assert outcome.failed == {}
    assert set(outcome.materialised) == {"raw_audio", "transcripts"}
    assert [row["text"] for row in rows_of("transcripts", talks)] == list(SENTENCES["en"])


def test_a_language_that_a_corpus_does_not_have_is_not_a_failure(talks: Partition) -> None:
    outcome = run_stages(Partition("talks", "sw"), stages_upto("training_examples"))
    assert (outcome.failed, outcome.materialised) == ({}, ())


def test_a_missing_input_says_what_to_materialise(talks: Partition) -> None:
    outcome = run_stages(talks, ["transcripts"])
    assert "materialise raw_audio for this partition first" in outcome.failed["transcripts"]


def test_an_unregistered_corpus_says_how_to_register_it(home: Path) -> None:
    outcome = run_stages(Partition("nothing", "en"), ["raw_audio"])
    assert "sdg corpora register" in outcome.failed["raw_audio"]


def test_a_profile_that_does_not_exist_says_which_do(talks: Partition) -> None:
    outcome = run_stages(talks, ["raw_audio"], profile="huge")
    assert "tiny" in outcome.failed["raw_audio"]


def test_materialising_again_replaces_and_stores_nothing_twice(
    talks: Partition, tmp_path: Path
) -> None:
    run_stages(talks, SPEECH)
    first = rows_of("raw_audio", talks)
    (tmp_path / "talks" / "en" / "u000.flac").unlink()
    (tmp_path / "talks" / "en" / "u000.txt").unlink()
    write_speech(tmp_path / "talks" / "en", ["Nora sold a blue hat.", "Ivan lost a key."])
    run_stages(talks, SPEECH)
    second = {row["utterance_id"]: row for row in rows_of("raw_audio", talks)}
    kept = next(row for row in first if row["utterance_id"] == "u001")
    assert len(second) == len(rows_of("transcripts", talks))
    assert "u000" not in second
    assert second["u001"]["shard"] in {kept["shard"], second["u002"]["shard"]}


def test_each_materialisation_is_a_version_that_can_be_read_again(
    talks: Partition, tmp_path: Path
) -> None:
    run_stages(talks, SPEECH)
    lake = open_workspace().lake
    before = lake.snapshot()
    write_speech(tmp_path / "talks" / "en", ["Oscar sang in the church."])
    run_stages(talks, SPEECH)
    assert lake.read("raw_audio", version=before).num_rows == 2
    assert lake.read("raw_audio").num_rows == 3


def test_text_is_spoken_and_made_into_examples(home: Path, tmp_path: Path) -> None:
    questions = tmp_path / "qa.jsonl"
    questions.write_text(
        '{"context": "北京是中国的首都。", "question": "中国的首都是哪里？", "answer": "北京"}\n'
        "this line is broken\n"
        '{"context": "他昨天在图书馆看书。", "question": "他在哪里看书？", "answer": "图书馆"}\n',
        encoding="utf-8",
    )
    register(
        tmp_path,
        name="zh-qa",
        kind="text_qa",
        languages=["zh"],
        reader={"layout": "jsonl_qa", "path": "qa.jsonl"},
    )
    partition = Partition("zh-qa", "zh")
    outcome = run_stages(partition, stages_upto("training_examples"))
    assert outcome.failed == {}
    examples = rows_of("training_examples", partition)
    assert {row["answer"] for row in examples} == {"北京", "图书馆"}
    assert all(row["method"] == "tts" and row["duration"] > 0.5 for row in examples)
    assert [row["reason"] for row in rows_of("quarantine", partition)] == ["broken_json"]


def test_a_mixture_unites_its_members_and_names_a_missing_one(home: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(
            f'{{"context": "The lamp {name} is red.", "question": "Which?", "answer": "{name}"}}\n'
        )
        register(
            tmp_path,
            name=name,
            kind="text_qa",
            languages=["en"],
            reader={"layout": "jsonl_qa", "path": f"{name}.jsonl"},
        )
    register(tmp_path, name="both", kind="mixture", languages=["en", "mul"], members=["one", "two"])
    run_stages(Partition("one", "en"), stages_upto("training_examples"))
    missing = run_stages(Partition("both", "en"), stages_upto("training_examples"))
    assert "two|en" in missing.failed["training_examples"]
    run_stages(Partition("two", "en"), stages_upto("training_examples"))
    for language in ("en", "mul"):
        mixture = Partition("both", language)
        assert run_stages(mixture, stages_upto("training_examples")).failed == {}
        rows = rows_of("training_examples", mixture)
        assert {row["source_corpus"] for row in rows} == {"one", "two"}
        assert len({row["example_id"] for row in rows}) == 2
