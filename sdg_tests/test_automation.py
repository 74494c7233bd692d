"""Automation on a real Dagster instance: what a landing and a materialisation ask for."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import fsspec
import pytest

from sdg_assets.automation import landing_sensor, mixture_sensor
from sdg_assets.commands.corpora import register_landed
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.definitions import defs
from sdg_assets.resources import WorkspaceResource
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import SENTENCES, register, register_folder, write_speech


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    home.mkdir()
    (home / "sdg.yaml").write_text("landing: {quiet_seconds: 0}\n")
    with open_instance() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"workspace": WorkspaceResource()}
    )
    result = landing_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_landed_folder_becomes_one_request_and_two_keys(
    instance: dg.DagsterInstance, home: Path
) -> None:
    write_speech(home / "landing" / "dropped" / "de", SENTENCES["de"], voice="de")
    first = tick(instance, None)
    assert first.run_requests is not None
    assert [request.partition_key for request in first.run_requests] == ["dropped|de"]
    added = {
        r.partitions_def_name: list(r.partition_keys) for r in first.dynamic_partitions_requests
    }
    assert added == {"corpus": ["dropped"], "language": ["de"]}
    assert open_workspace().corpus("dropped").kind == "labelled_speech"

    assert not tick(instance, first.cursor).run_requests

    write_speech(home / "landing" / "dropped" / "de", ["Noch ein Satz."], voice="de")
    second = tick(instance, first.cursor)
    assert second.run_requests is not None
    assert second.run_requests[0].run_key != first.run_requests[0].run_key


def test_a_new_language_of_a_landed_corpus_is_added_to_it(
    instance: dg.DagsterInstance, home: Path
) -> None:
    for language in ("de", "hi"):
        write_speech(home / "landing" / "dropped" / language, SENTENCES[language], voice=language)
    tick(instance, None)
    assert open_workspace().corpus("dropped").languages == ("de", "hi")


def test_what_lands_in_a_bucket_is_ingested(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path, s3_url: str
) -> None:
    landing = f"landing: {{url: '{s3_url}/landing', quiet_seconds: 0}}\n"
    (home / "sdg.yaml").write_text(landing)
    [path, _] = write_speech(tmp_path / "speech", SENTENCES["de"], voice="de")
    bucket = fsspec.filesystem("s3", skip_instance_cache=True)
    for file in (path, path.with_suffix(".txt")):
        bucket.put_file(str(file), f"{s3_url}/landing/dropped/de/{file.name}")
    first = tick(instance, None)
    assert [request.partition_key for request in first.run_requests or []] == ["dropped|de"]
    run_stages(Partition("dropped", "de"), ["raw_audio", "transcripts"])
    [row] = open_workspace().lake.read("transcripts").to_pylist()
    assert row["text"] == SENTENCES["de"][0]
    assert not tick(instance, first.cursor).run_requests
    bucket.put_file(str(path), f"{s3_url}/landing/dropped/de/again.flac")
    assert len(tick(instance, first.cursor).run_requests or []) == 1


def warnings_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if " - WARNING - " in line]


def test_what_cannot_land_is_said_once_per_change_and_stops_nothing(
    instance: dg.DagsterInstance,
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    landing = home / "landing"
    register_questions(tmp_path, "qa", ["de"])
    for place in ("loose", "qa/de", "talks/German", "talks/mul"):
        write_speech(landing / place, ["Hallo."], voice="de")
    write_speech(landing / "dropped" / "de", SENTENCES["de"], voice="de")
    first = tick(instance, None)
    assert [r.partition_key for r in first.run_requests or []] == ["dropped|de"]
    said = warnings_of(capsys)
    assert len(said) == 4
    for expected in ("loose/<language>/", "registered as text_qa", "'German'", "talks/mul"):
        assert sum(expected in line for line in said) == 1, expected
    again = tick(instance, first.cursor)
    assert warnings_of(capsys) == []

    write_speech(landing / "loose", ["Noch ein Satz."], voice="de")
    tick(instance, again.cursor)
    assert ["4 files" in line for line in warnings_of(capsys)] == [True]
    assert open_workspace().corpora.names() == ("dropped", "qa")

    register_landed()
    printed = capsys.readouterr().out
    assert "dropped|de: 2 audio files, labelled_speech, not ingested yet" in printed
    assert printed.count("left out") == 4


def test_a_note_on_texts_is_said_again_only_when_it_changes(
    instance: dg.DagsterInstance, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "landing" / "dropped" / "de"
    _, *others = write_speech(folder, SENTENCES["de"] * 3, voice="de")
    for path in others:
        path.with_suffix(".txt").unlink()
    said, cursor = [], None
    for text in ("Hallo.", "Noch ein Satz.", "Und noch einer."):
        cursor = tick(instance, cursor).cursor
        said.append(["1 audio file with a text" in line for line in warnings_of(capsys)])
        write_speech(folder, [text], voice="de", labelled=False)
    assert said == [[True], [], []]
    others[0].with_suffix(".txt").write_text("Hallo.")
    tick(instance, cursor)
    assert ["2 audio files with a text" in line for line in warnings_of(capsys)] == [True]


AUTOMATIC = (
    "transcripts",
    "pseudo_labels",
    "generated_qa",
    "filtered_qa",
    "synthesized_speech",
    "training_examples",
)
HEARD = {"transcripts", "generated_qa", "filtered_qa", "training_examples"}
OVERHEARD = {"pseudo_labels", "generated_qa", "filtered_qa", "training_examples"}
SPOKEN = {"synthesized_speech", "training_examples"}


@dataclass
class Flow:
    """The automation conditions on a real instance, from one tick to the next."""

    instance: dg.DagsterInstance
    cursor: Any = None

    def requested(self) -> dict[str, set[str]]:
        """The stages that this tick asks for, by partition."""
        tick = dg.evaluate_automation_conditions(defs, self.instance, cursor=self.cursor)
        self.cursor = tick.cursor
        cells: dict[str, set[str]] = {}
        for stage in AUTOMATIC:
            for key in tick.get_requested_partitions(dg.AssetKey(stage)):
                cells.setdefault(str(key), set()).add(stage)
        assert tick.total_requested == sum(map(len, cells.values())), "a stage that is asked for"
        return cells


def register_questions(folder: Path, name: str, languages: Iterable[str]) -> None:
    for language in languages:
        (folder / f"{name}.{language}.jsonl").write_text(
            '{"context": "The lamp is red.", "question": "What colour is it?", "answer": "red"}\n'
        )
    reader = {"layout": "jsonl_qa", "path": f"{name}.{{language}}.jsonl"}
    register(folder, name=name, kind="text_qa", languages=list(languages), reader=reader)


@pytest.fixture
def crowd(instance: dg.DagsterInstance, tmp_path: Path) -> Flow:
    """A home with corpora of every kind in several languages, whose conditions were seen once."""
    write_speech(tmp_path / "talks" / "en", SENTENCES["en"])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    write_speech(tmp_path / "calls" / "de", SENTENCES["de"], voice="de", labelled=False)
    register_folder(tmp_path, "calls", "unlabelled_speech", ["de"])
    register_questions(tmp_path, "qa", ["en", "de"])
    members = ["talks", "calls", "qa"]
    register(tmp_path, name="mix", kind="mixture", languages=["en", "mul"], members=members)
    flow = Flow(instance)
    assert flow.requested() == {}
    return flow


def test_only_what_landed_flows_and_only_through_its_own_stages(crowd: Flow) -> None:
    run_stages(Partition("talks", "en"), ["raw_audio"])
    assert crowd.requested() == {"talks|en": HEARD}
    run_stages(Partition("calls", "de"), ["raw_audio"])
    run_stages(Partition("qa", "de"), ["text_qa"])
    assert crowd.requested() == {"calls|de": OVERHEARD, "qa|de": SPOKEN}
    assert crowd.requested() == {}


def test_newer_audio_flows_again(crowd: Flow) -> None:
    for _ in range(2):
        run_stages(Partition("talks", "en"), ["raw_audio"])
        assert crowd.requested() == {"talks|en": HEARD}
        assert crowd.requested() == {}


def test_a_run_of_the_whole_chain_is_not_repeated(crowd: Flow) -> None:
    run_stages(Partition("talks", "en"), stages_upto("training_examples"))
    assert crowd.requested() == {}


def test_registering_a_corpus_or_a_language_asks_for_nothing(crowd: Flow, tmp_path: Path) -> None:
    write_speech(tmp_path / "late" / "hi", SENTENCES["hi"], voice="hi")
    register_folder(tmp_path, "late", "labelled_speech", ["hi"])
    assert crowd.requested() == {}
    register_folder(tmp_path, "talks", "labelled_speech", ["en", "fr"])
    assert crowd.requested() == {}


def test_audio_of_a_language_that_its_corpus_no_longer_has_does_not_flow(
    crowd: Flow, tmp_path: Path
) -> None:
    run_stages(Partition("talks", "en"), ["raw_audio"])
    register_folder(tmp_path, "talks", "labelled_speech", ["fr"])
    assert crowd.requested() == {}


def test_a_mixture_is_requested_when_its_member_is_done(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "qa.jsonl").write_text(
        '{"context": "The lamp is red.", "question": "What colour is it?", "answer": "red"}\n'
    )
    reader = {"layout": "jsonl_qa", "path": "qa.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en"], reader=reader)
    register(tmp_path, name="mix", kind="mixture", languages=["en"], members=["qa"])
    context = dg.build_sensor_context(
        instance=instance, resources={"workspace": WorkspaceResource()}
    )
    assert isinstance(mixture_sensor(context), dg.SkipReason)
    run_stages(Partition("qa", "en"), ["text_qa", "synthesized_speech", "training_examples"])
    result = mixture_sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == ["mix|en"]
    run_stages(Partition("mix", "en"), ["training_examples"])
    assert isinstance(mixture_sensor(context), dg.SkipReason)


def measure_loading(program: str, times: int = 3) -> float:
    """Seconds of processor time that a fresh interpreter takes, at best: other load counts less."""
    seconds = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_the_code_location_loads_in_under_four_seconds() -> None:
    """Alone on two cores it takes two, most of it Dagster: what is ours is judged beside that."""
    heavy = ("torch", "transformers", "whisper", "piper")
    ours = measure_loading(
        "import sys, sdg_assets.definitions;"
        f"sys.exit(any(module in sys.modules for module in {heavy}))"
    )
    bare = measure_loading("import dagster, duckdb, pyarrow, pydantic")
    assert ours < max(4.0, 2 * bare), f"{ours:.1f} s, Dagster and DuckDB alone {bare:.1f} s"
