"""Ctrl-C ends a process, whatever becomes of its exception."""

import signal
import subprocess
import sys
import time

import pytest

from sdg_training.interrupts import INTERRUPTED, ending_on_interrupt

LOSES_IT = """
import time
from sdg_training.interrupts import ending_on_interrupt

with ending_on_interrupt(seconds=1):
    while True:
        try:
            print("begun", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:  # as in a destructor, where it is printed and dropped
            print("lost", flush=True)
"""


def test_an_interrupt_that_gets_lost_ends_the_process_all_the_same() -> None:
    process = subprocess.Popen([sys.executable, "-c", LOSES_IT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "lost\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "begun\n"  # the second interrupt did nothing
    process.wait(timeout=20)
    assert process.returncode == INTERRUPTED


def test_without_an_interrupt_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="fault"), ending_on_interrupt(seconds=0.01):
        raise ValueError("fault")
    assert signal.getsignal(signal.SIGINT) is before
    time.sleep(0.05)
