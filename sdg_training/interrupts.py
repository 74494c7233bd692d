"""Ctrl-C that ends a process for certain."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # exit status of what Ctrl-C has ended
PATIENCE_SECONDS = 10.0


@contextmanager
def ending_on_interrupt(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Within, the first interrupt raises KeyboardInterrupt and further ones do nothing; a process
    that is still there after ``seconds`` is ended without more ado.

    An exception can get lost where Python runs a callback of a library or a destructor, and a
    second interrupt (a terminal sends one to all processes, and who started this one passes his on)
    can break the cleaning up after the first. For programs whose files are whole at any time.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        last = threading.Timer(seconds, os._exit, (INTERRUPTED,))
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
