"""What other processes do to a lake in tests; spawned, so it must be importable."""

import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sdg_assets.storage.lake import Lake, LakeConfig, LakeError
from sdg_assets.storage.ledger import Call, Ledger, Origin, Outcome, Perform, call_key
from sdg_tests.storage.rows import replace_quarantine, replace_transcripts

SPAWN = multiprocessing.get_context("spawn")
ROWS = 40  # of each partition
ORIGIN = Origin(
    kind="llm",
    engine="tiny",
    fingerprint="f00d",
    parameters="{}",
    prompt_version="v1",
    stage="generated_qa",
    corpus="c",
    language="zh",
    run_id="run-1",
)


def start(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = SPAWN.Process(target=function, args=arguments)
    process.start()
    return process


def finish(*processes: BaseProcess) -> None:
    """Wait for all; each must have ended well."""
    for process in processes:
        process.join(400)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def create(config: LakeConfig, gate: Any) -> None:
    """Everyone opens a lake that is not there yet at the same moment."""
    gate.wait()
    assert Lake(config).read("transcripts").num_rows == 0


def write(config: LakeConfig, writer: int, rounds: int, gate: Any) -> None:
    """Replace an own partition and one that all writers share, in turn."""
    lake = Lake(config)
    gate.wait()
    for number in range(rounds):
        stamp = f"{writer}/{number}"
        for corpus in (f"own-{writer}", "shared"):
            lake.replace(
                replace_transcripts(corpus, "en", [stamp] * ROWS),
                replace_quarantine(corpus, "en", [stamp] * ROWS),
            )


def read(config: LakeConfig, gate: Any, done: Any) -> None:
    """Whatever a reader sees, each partition is one writer's, whole, in both tables."""
    lake = Lake(config)
    gate.wait()
    reads = 0
    while not done.is_set() or reads == 0:
        assert_whole(lake)
        reads += 1
        time.sleep(0.02)


def assert_whole(lake: Lake) -> None:
    found = lake.query(
        """
        SELECT corpus, count(DISTINCT stamp) AS stamps, count(*) AS n
        FROM (
            SELECT corpus, text AS stamp FROM transcripts
            UNION ALL SELECT corpus, reason FROM quarantine
        )
        GROUP BY corpus
        """
    ).to_pylist()
    for row in found:
        assert (row["stamps"], row["n"]) == (1, 2 * ROWS), row


def replace_for_ever(config: LakeConfig, ready: Any) -> None:
    lake = Lake(config)
    for number in count():
        lake.replace(
            replace_transcripts("shared", "en", [str(number)] * ROWS),
            replace_quarantine("shared", "en", [str(number)] * ROWS),
        )
        ready.set()


def die_before_commit(config: LakeConfig) -> None:
    """SIGKILL after the old rows were deleted and new ones written, before the commit."""
    with Lake(config).writing("die") as cursor:
        cursor.execute("DELETE FROM lake.transcripts")
        rows = replace_transcripts("shared", "en", ["torn"] * ROWS).rows
        cursor.register("incoming", rows)
        cursor.execute("INSERT INTO lake.transcripts BY NAME FROM incoming")
        os.kill(os.getpid(), signal.SIGKILL)


def replace_with_file_limit(config: LakeConfig, limit: int, said: Path) -> None:
    """Write more than files may hold, and keep what the error said."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    lake = Lake(config)
    lake.snapshot()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        lake.replace(replace_transcripts("a", "en", (os.urandom(400).hex() for _ in range(5000))))
    except LakeError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        said.write_text(str(error))


def ask_numbers(config: LakeConfig, total: int, chunk: int, log: Path, die_in: int | None) -> None:
    """Complete calls 0..total-1 through the ledger; SIGKILL inside chunk number ``die_in``."""
    chunks = count(1)

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        with log.open("a") as file:
            file.write(json.dumps([call.request["number"] for call in calls]) + "\n")
        if next(chunks) == die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return [answer_number(call) for call in calls]

    complete(Ledger(Lake(config)), make_calls(range(total)), perform, origin=ORIGIN, chunk=chunk)


def complete(
    ledger: Ledger, calls: Sequence[Call], perform: Perform, **options: Any
) -> dict[str, Outcome]:
    """Make the calls that were never answered; the outcome of each, by key."""
    ledger.ask(calls, perform, **options)
    return dict(ledger.outcomes([call.key for call in calls]))


def answer_number(call: Call) -> Outcome:
    number = call.request["number"]
    if number % 10 == 3:
        return Outcome(None, "timeout: too slow", seconds=1.0)
    return Outcome({"text": f"answer {number}"}, seconds=0.5, input_tokens=number, cost=0.01)


def make_calls(numbers: Iterable[int], fingerprint: str = "f00d") -> list[Call]:
    requests = [{"number": number} for number in numbers]
    return [Call(call_key(fingerprint, request, "v1"), request) for request in requests]
