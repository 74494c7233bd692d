"""The real `sdg dev`: web server, daemon and sensors, with nobody touching it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.languages import follow, launch_backfill
from sdg_assets.commands.run import stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.factory import register, register_folder, write_speech
from sdg_tests.ports import find_free_port
from sdg_tests.processes import run_sdg
from sdg_tests.worlds import passages

STARTUP_SECONDS = 120
FLOW_SECONDS = 600


def wait_for(condition: Callable[[], bool], seconds: float, what: str, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        if "caught an error" in log.read_text():
            break
        time.sleep(0.5)
    pytest.fail(f"no {what} within {seconds} s; the server said:\n{log.read_text()[-4000:]}")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@dataclass(frozen=True)
class Server:
    url: str
    log: Path  # all that it says

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        """The data of a GraphQL answer, as the web UI asks."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["data"]


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[Server]:
    """`sdg dev` on an empty home folder."""
    home.mkdir()
    (home / "sdg.yaml").write_text(yaml.safe_dump({"landing": {"quiet_seconds": 1}}))
    port, log = find_free_port(), tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from sdg_assets.cli import main; main()", "dev",
             "--port", str(port)],
            stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "SDG_HOME": str(home)}, start_new_session=True,
        )  # fmt: skip
    try:
        server = Server(f"http://127.0.0.1:{port}", log)
        info = f"{server.url}/server_info"
        wait_for(lambda: answers(info), STARTUP_SECONDS, "web server", log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not answers(info), "the web server outlived `sdg dev`"


def examples(workspace: Workspace, corpus: str, language: str) -> int:
    where = {"corpus": corpus, "language": language}
    return workspace.lake.read("training_examples", where=where, columns=["corpus"]).num_rows


@dataclass(frozen=True)
class Ran:
    partition: str
    stages: frozenset[str]  # asked for
    status: str


def runs(instance: dg.DagsterInstance) -> list[Ran]:
    return [
        Ran(
            run.tags["dagster/partition"],
            frozenset(key.to_user_string() for key in run.asset_selection or ()),
            run.status.value,
        )
        for run in reversed(instance.get_runs())
    ]


def statuses(instance: dg.DagsterInstance) -> list[str]:
    return [backfill.status.value for backfill in instance.get_backfills()]


BACKFILL_JOB = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
  }
}
"""
INGESTED = frozenset({"raw_audio"})
CARRIED = frozenset({"transcripts", "generated_qa", "filtered_qa", "training_examples"})
LANDED = [Ran("dropped|en", INGESTED, "SUCCESS"), Ran("dropped|en", CARRIED, "SUCCESS")]


@pytest.fixture
def talks(server: Server, tmp_path: Path) -> Partition:
    """Corpora of other kinds and languages beside what lands; the partition that is added later."""
    for language, voice in (("en", "en-us"), ("de", "de")):
        write_speech(tmp_path / "talks" / language, passages(language, 4), voice=voice)
        (tmp_path / f"qa.{language}.jsonl").write_text(
            '{"context": "The lamp is red.", "question": "What colour is it?", "answer": "red"}\n'
        )
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    reader = {"layout": "jsonl_qa", "path": "qa.{language}.jsonl"}
    register(tmp_path, name="qa", kind="text_qa", languages=["en"], reader=reader)
    register(tmp_path, name="mix", kind="mixture", languages=["mul"], members=["talks", "qa"])
    return Partition("talks", "de")


@pytest.mark.timeout(2 * FLOW_SECONDS)
def test_landed_files_flow_and_languages_are_added(
    server: Server, talks: Partition, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = open_workspace(home)
    with open_instance() as instance:
        write_speech(home / "landing" / "dropped" / "en", passages("en", 4))
        wait_for(lambda: runs(instance) == LANDED, FLOW_SECONDS, "examples of dropped", server.log)
        assert examples(workspace, "dropped", "en") > 0
        assert workspace.corpus("dropped").kind == "labelled_speech"

        arguments = ("languages", "add", "de", "--corpora", "talks,qa", "--wait")
        added = run_sdg(home, *arguments, timeout=FLOW_SECONDS)
        assert added.returncode == 0, f"{added.stdout}\n{server.log.read_text()[-4000:]}"
        assert statuses(instance) == ["COMPLETED_SUCCESS"] * 2
        assert examples(workspace, "talks", "de") > 0
        assert examples(workspace, "talks", "en") == 0

        # As the job's page in the web UI does: every corpus, whether it speaks the language or not.
        repository = {"repositoryName": "__repository__", "repositoryLocationName": "sdg"}
        selector = {
            "partitionSetName": "examples_partition_set", "repositorySelector": repository,
        }  # fmt: skip
        names = [f"{corpus}|de" for corpus in ("dropped", "mix", "qa")]
        selection = [{"path": [stage]} for stage in stages_upto("training_examples")]
        params = {"selector": selector, "assetSelection": selection, "partitionNames": names}
        launched = server.ask(BACKFILL_JOB, {"params": params})["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        talks = [Partition("talks", "en")]
        failing = launch_backfill(instance, ["transcripts"], talks)
        more = len(passages("en", 6))
        write_speech(home / "landing" / "dropped" / "en", passages("en", more)[4:])

        capsys.readouterr()
        assert not follow(instance, failing, talks)
        said = capsys.readouterr().out
        assert "failed talks|en transcripts: " in said
        assert "raw_audio of talks|en is not there yet: materialise raw_audio for this" in said
        assert said.endswith("completed_failed\n")
        wait_for(
            lambda: "REQUESTED" not in statuses(instance), FLOW_SECONDS, "job backfill", server.log
        )
        assert sorted(statuses(instance)) == ["COMPLETED_FAILED", *["COMPLETED_SUCCESS"] * 3]
        wait_for(
            lambda: [ran for ran in runs(instance) if ran.partition == "dropped|en"] == 2 * LANDED,
            FLOW_SECONDS,
            "re-landed audio",
            server.log,
        )
        where = {"corpus": "dropped"}
        assert workspace.lake.read("transcripts", where=where).num_rows == more
        assert Counter((ran.partition, ran.status) for ran in runs(instance)) == {
            ("dropped|en", "SUCCESS"): 4,
            ("talks|de", "SUCCESS"): 1,
            ("qa|de", "SUCCESS"): 2,
            ("mix|de", "SUCCESS"): 1,
            ("dropped|de", "SUCCESS"): 1,
            ("talks|en", "FAILURE"): 1,
        }
