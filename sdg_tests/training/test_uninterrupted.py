"""Ctrl-C while a C library calls back into Python: it is heard, and no sample is lost."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

import numpy as np
import pytest

from sdg_assets.audio import decode_flac, encode_flac
from sdg_training.espeak import synthesize
from sdg_training.uninterrupted import uninterrupted

TEXT = "Abigail bought a red lamp at the market on Monday. " * 20


class Interrupted(BaseException):
    """What Dagster, too, makes of a signal."""


def interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def repeat_with_interrupt(after: float, work: Callable[[], object]) -> None:
    """``work`` again and again, with one interrupt ``after`` so many seconds."""
    kept = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        for _ in range(200):
            work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)


@pytest.mark.parametrize("after", [0.02, 0.1])
def test_an_interrupt_while_it_speaks_is_heard(after: float) -> None:
    with pytest.raises(Interrupted):
        repeat_with_interrupt(after, lambda: synthesize(TEXT, "en-us"))


@pytest.mark.parametrize("after", [0.02, 0.1])
def test_an_interrupt_while_it_is_encoded_or_decoded_is_heard(after: float) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 60).astype(np.float32)
    with pytest.raises(Interrupted):
        repeat_with_interrupt(after, lambda: decode_flac(encode_flac(noise)))


def test_results_and_errors_come_through() -> None:
    @uninterrupted
    def divide(a: int, b: int) -> tuple[float, bool]:
        return a / b, threading.current_thread() is threading.main_thread()

    assert divide(1, b=2) == (0.5, False)
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
