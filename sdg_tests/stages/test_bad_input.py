"""Bad input: a clear error or a quarantine row with its reason; the rest goes on."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.remedies import find_remedy
from sdg_assets.stages.clips import ref_of
from sdg_assets.workspace import open_workspace
from sdg_tests.chatter import serve_prose
from sdg_tests.factory import (
    flac_of,
    register,
    register_folder,
    register_quiz,
    write_profile,
    write_speech,
)
from sdg_tests.processes import run_sdg

GOOD = ("Abigail bought a red lamp.", "Victor lost a key.")
TALKS = Partition("talks", "en")


def quarantined(stage: str) -> dict[str, str]:
    rows = open_workspace().lake.read("quarantine", where={"stage": stage}).to_pylist()
    for row in rows:
        assert row["detail"].endswith(f"; {find_remedy(stage, row['reason'])}")
    return {row["item_id"]: row["reason"] for row in rows}


def ids(table: str) -> list[str]:
    column = "utterance_id"
    return sorted(open_workspace().lake.read(table).column(column).to_pylist())


def write_three_hours(path: Path) -> None:
    """A sparse wav whose header and size say three hours of 16 kHz mono."""
    size = 3 * 3600 * 16_000 * 2
    header = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16
    ) + b"data" + struct.pack("<I", size)  # fmt: skip
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def test_bad_audio_is_quarantined_and_the_rest_goes_on(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "talks" / "en"
    write_speech(folder, GOOD)
    flac = flac_of("Oscar sang in the church on Monday morning.")
    (folder / "zero.wav").write_bytes(b"")
    (folder / "cut.flac").write_bytes(flac[: len(flac) // 2])
    (folder / "prose.wav").write_text("this is not audio at all, only some words " * 50)
    (folder / "mislabelled.wav").write_bytes(flac)
    soundfile.write(folder / "nothing.wav", np.zeros(0, np.float32), 16_000)
    samples = np.full(16_000, 0.1, np.float32)
    samples[500] = np.nan
    soundfile.write(folder / "nan.wav", samples, 16_000, subtype="FLOAT")
    write_three_hours(folder / "long.wav")
    hostile = folder / "weird; rm -rf ~ '\"$(x) 名前\n.flac"
    hostile.write_bytes(flac)
    for path in [*folder.glob("*.wav"), *folder.glob("*.flac")]:
        path.with_suffix(".txt").write_text("Oscar sang in the church.", encoding="utf-8")
    (folder / "orphan.txt").write_text("nobody said this", encoding="utf-8")
    (folder / "mute.flac").write_bytes(flac)
    soundfile.write(folder / "unheard.flac", np.zeros(16_000, np.float32), 16_000)
    (folder / "unheard.txt").write_text("Somebody said this.", encoding="utf-8")

    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    outcome = run_stages(TALKS, stages_upto("transcripts"))
    assert outcome.failed == {}
    assert quarantined("raw_audio") == {
        "zero": "empty_file",
        "cut": "truncated_audio",
        "prose": "not_audio",
        "nothing": "no_samples",
        "nan": "non_finite_samples",
        "long": "too_long",
        "orphan": "orphan_transcript",
        "mute": "missing_text",
    }
    kept = ids("raw_audio")
    assert {"u000", "u001", "mislabelled", "unheard"} < set(kept)
    assert len(kept) == 5
    assert any("weird" in name and "\n" not in name for name in kept)
    assert quarantined("transcripts") == {"unheard": "silent"}
    assert ids("transcripts") == [name for name in kept if name != "unheard"]
    assert outcome.warnings["raw_audio.few_quarantined"].startswith("8 of 13")


def test_questions_that_cannot_be_used_are_quarantined(home: Path, tmp_path: Path) -> None:
    squad = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "The lamp is red.",
                        "qas": [
                            {"id": "good", "question": "What is red?",
                             "answers": [{"text": "The lamp", "answer_start": 0}]},
                            {"id": "bad", "question": "What is blue?",
                             "answers": [{"text": "The chair", "answer_start": 0}]},
                        ],
                    }
                ]
            }
        ]
    }  # fmt: skip
    (tmp_path / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    register(
        tmp_path,
        name="squad",
        kind="text_qa",
        languages=["en"],
        reader={"layout": "squad", "path": "squad.json"},
    )
    assert run_stages(Partition("squad", "en"), ["text_qa"]).failed == {}
    assert quarantined("text_qa") == {"bad": "answer_not_in_context"}


def test_an_invalid_partition_key_is_refused(home: Path) -> None:
    home.mkdir()
    ended = run_sdg(home, "run", "Bad Name|EN")
    assert ended.returncode == 1
    assert "is not a corpus name" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_model_path_that_does_not_exist_is_named(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", GOOD, labelled=False)
    register_folder(tmp_path, "talks", "unlabelled_speech", ["en"])
    profile = write_profile(
        tmp_path / "profile.yaml",
        asr={"backend": "openai-whisper", "model": str(tmp_path / "absent.pt")},
    )
    outcome = run_stages(TALKS, ["raw_audio", "pseudo_labels"], profile=profile)
    assert "absent.pt" in outcome.failed["pseudo_labels"]
    assert ids("raw_audio") == ["u000", "u001"]


def test_an_empty_corpus_says_so_and_starts_no_engine(home: Path, tmp_path: Path) -> None:
    (tmp_path / "talks" / "en").mkdir(parents=True)
    register_folder(tmp_path, "talks", "unlabelled_speech", ["en"])
    absent = str(tmp_path / "absent")
    profile = write_profile(
        tmp_path / "profile.yaml",
        asr={"backend": "openai-whisper", "model": absent},
        llm={"backend": "transformers", "model": absent},
    )
    outcome = run_stages(TALKS, ["raw_audio", "pseudo_labels", "generated_qa"], profile=profile)
    assert outcome.failed == {}
    said = outcome.warnings["raw_audio.records_found"]
    assert f"found 0 records in 'en' (layout: folder, path: {tmp_path}/talks/en)" in said
    with open_instance() as instance:
        logged = [entry.user_message for entry in instance.all_logs(outcome.run_id)]
    assert sum("talks: its reader found 0 records" in message for message in logged) == 1


def test_questions_that_are_none_start_no_engine(home: Path, tmp_path: Path) -> None:
    register_quiz(tmp_path, [])
    tts = {"backend": "piper", "voices": [str(tmp_path / "absent.onnx")]}
    profile = write_profile(tmp_path / "profile.yaml", tts=tts)
    stages = ["text_qa", "synthesized_speech"]
    outcome = run_stages(Partition("quiz", "en"), stages, profile=profile)
    assert outcome.failed == {}
    assert "quiz.jsonl" in outcome.warnings["text_qa.records_found"]


def test_an_llm_that_writes_prose_is_quarantined_with_its_words(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", GOOD)
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    with serve_prose("Certainly! Here are some thoughts about lamps.") as server:
        llm = {"backend": "openai-compatible", "base_url": server.url, "model": "prose"}
        profile = write_profile(tmp_path / "profile.yaml", llm=llm, prompts="v1")
        outcome = run_stages(TALKS, stages_upto("filtered_qa"), profile=profile)
    assert outcome.failed == {}
    assert quarantined("generated_qa") == {"u000": "not_json", "u001": "not_json"}
    assert outcome.warnings["generated_qa.answers_parse"].startswith("2 of 2")
    answers = open_workspace().lake.read("model_calls", columns=["response"]).to_pylist()
    assert all("lamps" in row["response"] for row in answers)


def test_an_llm_that_fails_at_everything_fails_the_stage(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", GOOD)
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    assert run_stages(TALKS, stages_upto("generated_qa")).failed == {}
    lake = open_workspace().lake
    before, refused = lake.read("generated_qa").to_pylist(), quarantined("generated_qa")
    with serve_prose("out of order", status=500) as server:
        llm = {
            "backend": "openai-compatible",
            "base_url": server.url,
            "model": "broken",
            "max_retries": 0,
        }
        profile = write_profile(tmp_path / "profile.yaml", llm=llm, prompts="v1")
        outcome = run_stages(TALKS, ["generated_qa"], profile=profile)
    said = outcome.failed["generated_qa"]
    assert "2 of 2 calls of the LLM engine openai-compatible/broken failed" in said
    assert "http_500" in said
    assert "run it again" in said
    assert lake.read("generated_qa").to_pylist() == before
    assert quarantined("generated_qa") == refused
    failures = lake.read("model_calls", where={"run_id": outcome.run_id}).to_pylist()
    assert [row["error"].partition(":")[0] for row in failures] == ["http_500", "http_500"]


def test_some_failed_calls_are_quarantined_with_a_severity(home: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "en", GOOD)
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    assert run_stages(TALKS, stages_upto("transcripts")).failed == {}
    with serve_prose("[]", status=500, failing=1) as server:
        llm = {
            "backend": "openai-compatible",
            "base_url": server.url,
            "model": "shaky",
            "max_retries": 0,
            "concurrency": 1,
        }
        profile = write_profile(tmp_path / "profile.yaml", llm=llm, prompts="v1")
        outcome = run_stages(TALKS, ["generated_qa"], profile=profile)
        assert outcome.failed == {}
        assert "http_500" in quarantined("generated_qa").values()
        assert "ERROR" in outcome.warnings["generated_qa.answers_parse"]
        strict = write_profile(
            tmp_path / "strict.yaml", llm={**llm, "model": "again"}, prompts="v1",
            max_failed_share=0.5,
        )  # fmt: skip
        server.failing = 1
        assert (
            "1 of 2" in run_stages(TALKS, ["generated_qa"], profile=strict).failed["generated_qa"]
        )


def test_a_voice_that_does_not_exist_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "qa.jsonl").write_text(
        '{"context": "The lamp is red.", "question": "Which?", "answer": "The lamp"}\n'
    )
    reader = {"layout": "jsonl_qa", "path": "qa.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en"], reader=reader)
    config = {"synthesized_speech": {"voices": ["bogus"]}}
    outcome = run_stages(Partition("qa", "en"), ["text_qa", "synthesized_speech"], config=config)
    assert "the voice 'bogus'" in outcome.failed["synthesized_speech"]


def test_a_full_disk_harms_nothing_that_was_stored(
    tiny_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDG_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "sdg.yaml").write_text(f"blobs_url: {tiny_disk}\n")
    folder = tmp_path / "talks" / "en"
    write_speech(folder, GOOD)
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    assert run_stages(TALKS, ["raw_audio"]).failed == {}
    before = open_workspace().lake.read("raw_audio").to_pylist()

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 100).astype(np.float32)
    for number in range(3):
        soundfile.write(folder / f"noise{number}.wav", noise, 16_000)
        (folder / f"noise{number}.txt").write_text("noise")
    outcome = run_stages(TALKS, ["raw_audio"])
    assert "space" in outcome.failed["raw_audio"].lower()
    workspace = open_workspace()
    assert workspace.lake.read("raw_audio").to_pylist() == before
    clips = workspace.blobs.read_many([ref_of(row) for row in before])
    assert [len(clip) for clip in clips] == [row["byte_length"] for row in before]
