"""The call ledger: nothing is asked twice, nothing that was answered is lost."""

import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.progress import Progress, count
from sdg_assets.storage import ledger as ledger_module
from sdg_assets.storage.lake import Lake, LakeConfig
from sdg_assets.storage.ledger import Call, Ledger, LedgerError, Outcome, Summary, call_key
from sdg_tests.storage import workers
from sdg_tests.storage.conftest import sqlite_config
from sdg_tests.storage.workers import ORIGIN, answer_number, complete, make_calls


class Engine:
    """Answers numbers, and remembers what it was asked."""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        self.chunks.append([call.request["number"] for call in calls])
        return [answer_number(call) for call in calls]

    @property
    def asked(self) -> list[int]:
        return [number for chunk in self.chunks for number in chunk]


@pytest.fixture
def ledger(lake: Lake) -> Ledger:
    return Ledger(lake)


@pytest.fixture
def sqlite_ledger(sqlite_lake: Lake) -> Ledger:
    return Ledger(sqlite_lake)


def test_every_call_is_made_once_and_answered_in_order(ledger: Ledger) -> None:
    engine = Engine()
    calls = make_calls([5, 1, 5, 2, 1, 8])
    outcomes = complete(ledger, calls, engine.perform, origin=ORIGIN, chunk=2)
    assert engine.chunks == [[5, 1], [2, 8]]
    assert list(outcomes) == [call.key for call in make_calls([5, 1, 2, 8])]
    assert outcomes[calls[0].key] == answer_number(calls[0])


def test_recorded_answers_are_reused_and_new_calls_cost_no_more_than_themselves(
    sqlite_ledger: Ledger,
) -> None:
    first, second = Engine(), Engine()
    numbers = [n for n in range(40) if n % 10 != 3]
    complete(sqlite_ledger, make_calls(numbers), first.perform, origin=ORIGIN, chunk=16)
    new = [100, 101, 102]
    mixed = make_calls([*numbers[:20], *new, *numbers[20:]])
    outcomes = complete(sqlite_ledger, mixed, second.perform, origin=ORIGIN, chunk=16)
    assert second.chunks == [new]
    assert [outcome.response for outcome in outcomes.values()] == [
        answer_number(call).response for call in mixed
    ]


def test_another_engine_or_prompt_is_another_call(sqlite_ledger: Ledger) -> None:
    engine = Engine()
    complete(sqlite_ledger, make_calls([1, 2]), engine.perform, origin=ORIGIN)
    complete(sqlite_ledger, make_calls([1, 2], "beef"), engine.perform, origin=ORIGIN)
    assert engine.chunks == [[1, 2], [1, 2]]


def test_failures_are_recorded_and_tried_again_last(
    sqlite_ledger: Ledger, sqlite_lake: Lake
) -> None:
    first, second, third = Engine(), Engine(), Engine()
    calls = make_calls(range(20))
    outcomes = complete(sqlite_ledger, calls, first.perform, origin=ORIGIN)
    assert outcomes[calls[3].key] == Outcome(None, "timeout: too slow", seconds=1.0)

    def succeed(calls: Sequence[Call]) -> list[Outcome]:
        second.perform(calls)
        return [Outcome({"text": "at last"}) for _ in calls]

    again = complete(sqlite_ledger, make_calls(range(22)), succeed, origin=ORIGIN, chunk=1)
    assert second.chunks == [[20], [21], [3], [13]]
    assert again[calls[3].key].response == {"text": "at last"}
    complete(sqlite_ledger, calls, third.perform, origin=ORIGIN)
    assert third.chunks == []
    attempts = sqlite_lake.read("model_calls", where={"key": calls[3].key}, order_by=["created_at"])
    assert attempts.column("error").to_pylist() == ["timeout: too slow", None]


def test_the_latest_failure_and_the_first_answer_count(sqlite_ledger: Ledger) -> None:
    (call,) = make_calls([1])
    for reason in ("first", "second"):
        outcome = Outcome(None, reason)
        found = complete(sqlite_ledger, [call], lambda _, o=outcome: [o], origin=ORIGIN)
        assert found[call.key].error == reason


def test_an_engine_that_breaks_ends_the_run_after_what_it_answered(sqlite_ledger: Ledger) -> None:
    engine = Engine()

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        if engine.chunks:
            raise MemoryError("out of memory")
        return engine.perform(calls)

    calls = make_calls([1, 2, 4, 5])
    with pytest.raises(MemoryError, match="out of memory"):
        complete(sqlite_ledger, calls, perform, origin=ORIGIN, chunk=2)
    assert dict(sqlite_ledger.outcomes([call.key for call in calls])).keys() == {
        call.key for call in calls[:2]
    }
    resumed = Engine()
    complete(sqlite_ledger, calls, resumed.perform, origin=ORIGIN, chunk=2)
    assert resumed.chunks == [[4, 5]]


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([], "0 outcomes for 1 calls"),
        ([Outcome({}), Outcome({})], "2 outcomes for 1 calls"),
        ([Outcome(None)], "either a response or an error"),
        ([Outcome({}, "error")], "either a response or an error"),
        ([Outcome({"x": float("nan")})], "not JSON"),
        ([Outcome({"x": {1, 2}})], "not JSON"),
    ],
)
def test_a_wrong_outcome_is_refused(
    sqlite_ledger: Ledger, sqlite_lake: Lake, outcomes: list[Outcome], message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        complete(sqlite_ledger, make_calls([1]), lambda _: outcomes, origin=ORIGIN)
    assert sqlite_lake.read("model_calls").num_rows == 0


@pytest.mark.parametrize(
    "text",
    ["你好", "नमस्ते", "مرحبا", "こんにちは", 'quo"te\\', "\0\n\x7f", "\ud83d lone", "👩‍🚀", ""],
)
def test_any_text_survives(sqlite_ledger: Ledger, text: str) -> None:
    request = {"messages": [{"role": "user", "content": text}]}
    call = Call(call_key("f", request, "v1"), request)
    outcome = Outcome({"text": text, "n": [1, 2.5, None, True]})
    found = complete(sqlite_ledger, [call], lambda _: [outcome], origin=ORIGIN)
    assert found == {call.key: outcome}


def test_text_is_stored_to_be_read(sqlite_ledger: Ledger, sqlite_lake: Lake) -> None:
    request = {"b": "你好", "a": 1}
    call = Call(call_key("f", request, "v1"), request)
    complete(sqlite_ledger, [call], lambda _: [Outcome(None, "bad: \udc80")], origin=ORIGIN)
    (row,) = sqlite_lake.read("model_calls").to_pylist()
    assert row["request"] == '{"a":1,"b":"你好"}'
    assert row["error"] == "bad: \\udc80"
    assert (row["engine"], row["stage"], row["language"]) == ("tiny", "generated_qa", "zh")


def test_progress_counts_what_is_made_now(sqlite_ledger: Ledger) -> None:
    complete(sqlite_ledger, make_calls([0, 1, 2]), Engine().perform, origin=ORIGIN)
    seen: list[Progress] = []
    summary = sqlite_ledger.ask(
        make_calls(range(8)), Engine().perform, origin=ORIGIN, chunk=2, report=seen.append
    )
    assert replace(summary, seconds=0.0) == Summary(
        reused=3, performed=5, failed=1, input_tokens=4 + 5 + 6 + 7, cost=pytest.approx(0.04)
    )
    assert [(p.done, p.total) for p in seen] == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert seen[-1].note == "3 reused, 1 failed"
    assert seen[-1].label == "generated_qa tiny"


def test_calls_are_counted_before_their_chunk_is_recorded(sqlite_ledger: Ledger) -> None:
    seen: list[Progress] = []
    recorded: list[int] = []

    def perform(calls: Sequence[Call]) -> list[Outcome]:
        for _ in calls:
            count()
            recorded.append(sqlite_ledger.report().num_rows)
        return [answer_number(call) for call in calls]

    sqlite_ledger.ask(make_calls([0, 1, 2]), perform, origin=ORIGIN, report=seen.append)
    assert [p.done for p in seen] == [0, 1, 2, 3]
    assert recorded == [0, 0, 0]


def test_the_report_adds_up(ledger: Ledger) -> None:
    complete(ledger, make_calls(range(20)), Engine().perform, origin=ORIGIN)
    other = replace(ORIGIN, stage="filtered_qa", run_id="run-2")
    complete(ledger, make_calls(range(20, 25)), Engine().perform, origin=other)
    filtered, generated = ledger.report().to_pylist()
    assert generated == {
        "stage": "generated_qa",
        "kind": "llm",
        "engine": "tiny",
        "corpus": "c",
        "language": "zh",
        "calls": 20,
        "failures": 2,
        "seconds": pytest.approx(18 * 0.5 + 2),
        "input_tokens": sum(n for n in range(20) if n % 10 != 3),
        "output_tokens": None,
        "audio_seconds": None,
        "cost": pytest.approx(0.18),
    }
    assert (filtered["calls"], filtered["failures"]) == (5, 1)
    assert ledger.report({"run_id": "run-2"}).to_pylist() == [filtered]
    assert ledger.report({"run_id": "run-3"}).num_rows == 0
    [total] = ledger.report(by=()).to_pylist()
    assert total["calls"] == 25
    assert total["cost"] == pytest.approx(filtered["cost"] + generated["cost"])


def test_many_small_files_are_merged_on_the_way(
    sqlite_ledger: Ledger, sqlite_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_COMPACT_EVERY", 5)
    outcomes = complete(
        sqlite_ledger, make_calls(range(12)), Engine().perform, origin=ORIGIN, chunk=1
    )
    assert len(outcomes) == 12
    info = sqlite_lake.query("SELECT file_count FROM ducklake_table_info('lake')"
                             " WHERE table_name = 'model_calls'")  # fmt: skip
    assert info.column(0).to_pylist()[0] < 6


TOTAL, CHUNK = 60, 8


def read_log(path: Path) -> list[list[int]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("die_in", [1, 5])
def test_kill_and_resume_repeats_nothing_and_loses_one_chunk(tmp_path: Path, die_in: int) -> None:
    config, before, after = sqlite_config(tmp_path), tmp_path / "before", tmp_path / "after"
    chunks = [list(range(TOTAL))[start : start + CHUNK] for start in range(0, TOTAL, CHUNK)]
    victim = workers.start(workers.ask_numbers, config, TOTAL, CHUNK, before, die_in)
    victim.join(60)
    assert victim.exitcode == -9
    assert read_log(before) == chunks[:die_in]
    workers.finish(workers.start(workers.ask_numbers, config, TOTAL, CHUNK, after, None))

    failed_before = [n for chunk in chunks[: die_in - 1] for n in chunk if n % 10 == 3]
    retried = [failed_before] if failed_before else []
    assert read_log(after) == chunks[die_in - 1 :] + retried
    assert_resumed(config)


def assert_resumed(config: LakeConfig) -> None:
    """Every answer, as an undisturbed run has it, and none recorded twice."""
    lake, calls = Lake(config), make_calls(range(TOTAL))
    found = dict(Ledger(lake).outcomes([call.key for call in calls]))
    assert found == {call.key: answer_number(call) for call in calls}
    repeated = lake.query(
        "SELECT key FROM model_calls WHERE error IS NULL GROUP BY key HAVING count(*) > 1"
    )
    assert repeated.num_rows == 0


def test_kills_at_random_moments_lose_at_most_a_chunk_each(tmp_path: Path) -> None:
    config, log = sqlite_config(tmp_path), tmp_path / "log"
    chance = random.Random(3)
    for _ in range(2):
        asked = len(read_log(log))
        victim = workers.start(workers.ask_numbers, config, TOTAL, CHUNK, log, None)
        while len(read_log(log)) == asked and victim.is_alive():
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.15))
        victim.kill()
        victim.join(60)
    workers.finish(workers.start(workers.ask_numbers, config, TOTAL, CHUNK, log, None))
    times_asked = [number for chunk in read_log(log) for number in chunk if number % 10 != 3]
    assert len(times_asked) <= TOTAL - 6 + 2 * CHUNK
    assert_resumed(config)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
REQUESTS = st.dictionaries(st.text(), JSON, max_size=4)


@given(request_=REQUESTS, order=st.randoms(use_true_random=False))
def test_a_key_does_not_depend_on_the_order_of_fields(
    request_: dict[str, Any], order: random.Random
) -> None:
    fields = list(request_.items())
    order.shuffle(fields)
    key = call_key("f", request_, "v")
    assert key == call_key("f", dict(fields), "v")
    assert key == call_key("f", json.loads(json.dumps(request_)), "v")


@given(
    one=st.tuples(st.text(), REQUESTS, st.text()), other=st.tuples(st.text(), REQUESTS, st.text())
)
def test_different_calls_have_different_keys(
    one: tuple[str, dict[str, Any], str], other: tuple[str, dict[str, Any], str]
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (call_key(*one) == call_key(*other)) == same


def test_a_key_is_the_same_on_every_machine() -> None:
    request = {"seed": 0, "messages": [{"role": "user", "content": "你好"}]}
    text = '["f00d","v1",{"messages":[{"content":"你好","role":"user"}],"seed":0}]'
    assert call_key("f00d", request, "v1") == hashlib.sha256(text.encode()).hexdigest()
