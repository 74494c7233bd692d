"""Progress: rate, time left, throttling, listening."""

import asyncio
import time

from sdg_assets.progress import (
    Progress,
    announce,
    announcing,
    count,
    counting,
    listening,
    telling,
    throttle,
    track,
)


def test_rate_and_time_left() -> None:
    progress = Progress("asr", done=20, total=100, seconds=10.0, note="3 failed")
    assert str(progress) == "asr: 20/100, 2.0/s, 40 s left (3 failed)"


def test_nothing_done_yet_promises_nothing() -> None:
    assert Progress("asr", 0, 100, 0.0).remaining_seconds is None


def test_throttled_reports_always_hold_the_end() -> None:
    heard: list[Progress] = []
    assert list(track(range(50), "x", throttle(heard.append, every=3600), total=50)) == [*range(50)]
    assert [progress.done for progress in heard] == [50]


def test_a_listener_hears_only_inside_its_block() -> None:
    heard: list[Progress] = []
    announce(Progress("before", 1, 1, 1.0))
    with listening(heard.append):
        announce(Progress("inside", 1, 1, 1.0))
    announce(Progress("after", 1, 1, 1.0))
    assert [progress.label for progress in heard] == ["inside"]


def test_what_takes_long_is_told_again_with_the_time_that_has_passed() -> None:
    heard: list[Progress] = []
    with telling(heard.append, every=0.1) as report:
        report(Progress("asr", 20, 100, 10.0))
        time.sleep(0.45)
        report(Progress("asr", 100, 100, 50.0))
        time.sleep(0.2)
    *again, end = heard
    assert 2 <= len(again) <= 4
    assert all((p.done, p.total) == (20, 100) and p.seconds > 10.0 for p in again)
    assert (end.done, end.seconds) == (100, 50.0)


def test_loading_is_told_only_if_it_takes_long() -> None:
    heard: list[Progress] = []
    with telling(heard.append, every=0.1) as report, listening(report):
        with announcing("loading fast"):
            pass
        assert heard == []
        with announcing("loading slow"):
            time.sleep(0.25)
    assert {progress.label for progress in heard} == {"loading slow"}
    assert str(Progress("loading slow", 0, 1, 7.2)) == "loading slow: 0/1, 7 s so far"


def test_what_is_counted_is_heard_also_from_tasks() -> None:
    async def work() -> None:
        count()

    async def work_twice() -> None:
        await asyncio.gather(work(), work())

    heard: list[int] = []
    count()
    with counting(heard.append):
        count(3)
        asyncio.run(work_twice())
    assert heard == [3, 1, 1]
