"""Progress: rate, time left, throttling, listening."""

from sdg_assets.progress import Progress, announce, listening, throttle, track


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
