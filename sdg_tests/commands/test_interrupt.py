"""Ctrl-C ends a whole command, and the processes that it started."""

import os
import signal
import time
from pathlib import Path

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_tests.factory import register_quiz
from sdg_tests.processes import start_sdg

PAIR = {"question": "What did Abigail buy?", "answer": "a red lamp"}
TEXT = {"split": "train", "context": "Abigail bought a red lamp.", "questions": [PAIR]}


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_interrupt_ends_the_training_and_all_that_was_to_follow(
    home: Path, tmp_path: Path
) -> None:
    register_quiz(tmp_path, ({"id": f"p{number}", **TEXT} for number in range(4)))
    assert not run_stages(Partition("quiz", "en"), stages_upto("training_examples")).failed
    process = start_sdg(
        home, "run", "quiz/en", "quiz/en", "--only", "trained_checkpoints",
        "--set", "trained_checkpoints.recipe={epochs: 100000}",
    )  # fmt: skip
    said = ""
    try:
        assert process.stdout is not None
        while "training: " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all that runs for it
        rest, _ = process.communicate(timeout=60)  # until the last process lets go of its output
        deadline = time.monotonic() + 10
        while is_there(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_there(process.pid), "a process outlived the command"
    finally:
        if is_there(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert rest.count("to go on: ") == 1
    assert "run quiz/en quiz/en --only trained_checkpoints" in rest
    assert "Traceback" not in rest
