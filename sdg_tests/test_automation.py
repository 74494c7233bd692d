"""Automation on a real Dagster instance: what a landing and a materialisation ask for."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sdg_assets.automation import landing_sensor, mixture_sensor
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.run import run_stages
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


def test_raw_audio_carries_its_partition_down_to_examples(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write_speech(tmp_path / "talks" / "en", SENTENCES["en"])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    before = dg.evaluate_automation_conditions(defs, instance)
    assert before.total_requested == 0
    run_stages(Partition("talks", "en"), ["raw_audio"])
    after = dg.evaluate_automation_conditions(defs, instance, cursor=before.cursor)
    requested = {
        stage
        for stage in ("transcripts", "generated_qa", "filtered_qa", "training_examples",
                      "trained_checkpoints", "rouge_l_scores")
        if after.get_requested_partitions(dg.AssetKey(stage)) == {"talks|en"}
    }  # fmt: skip
    assert requested == {"transcripts", "generated_qa", "filtered_qa", "training_examples"}


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
