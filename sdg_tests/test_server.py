"""The real `sdg dev`: web server, daemon and sensors, with nobody touching it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.factory import register_folder, write_speech
from sdg_tests.ports import find_free_port
from sdg_tests.processes import run_sdg
from sdg_tests.worlds import passages

STARTUP_SECONDS = 120
FLOW_SECONDS = 240


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


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[Path]:
    """`sdg dev` on an empty home folder; gives the file that its output goes to."""
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
        url = f"http://127.0.0.1:{port}/server_info"
        wait_for(lambda: answers(url), STARTUP_SECONDS, "web server", log)
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not answers(url), "the web server outlived `sdg dev`"


def examples(workspace: Workspace, corpus: str, language: str) -> int:
    where = {"corpus": corpus, "language": language}
    return workspace.lake.read("training_examples", where=where, columns=["corpus"]).num_rows


def test_landed_files_flow_and_a_language_is_added(
    server: Path, home: Path, tmp_path: Path
) -> None:
    workspace = open_workspace(home)

    write_speech(home / "landing" / "dropped" / "en", passages("en", 4))
    wait_for(
        lambda: examples(workspace, "dropped", "en") > 0, FLOW_SECONDS, "example of dropped", server
    )
    assert workspace.corpus("dropped").kind == "labelled_speech"

    for language, voice in (("en", "en-us"), ("de", "de")):
        write_speech(tmp_path / "talks" / language, passages(language, 4), voice=voice)
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    arguments = ("languages", "add", "de", "--corpora", "talks", "--wait")
    added = run_sdg(home, *arguments, timeout=FLOW_SECONDS)
    assert added.returncode == 0, f"{added.stdout}\n{server.read_text()[-4000:]}"
    assert examples(workspace, "talks", "de") > 0
    assert examples(workspace, "talks", "en") == 0

    more = len(passages("en", 6))
    write_speech(home / "landing" / "dropped" / "en", passages("en", more)[4:])
    wait_for(
        lambda: workspace.lake.read("raw_audio", where={"corpus": "dropped"}).num_rows == more,
        FLOW_SECONDS,
        "re-landed audio",
        server,
    )
