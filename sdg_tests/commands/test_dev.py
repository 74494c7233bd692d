"""Where `sdg dev` serves the pages of samples."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdg_assets.commands import dev
from sdg_assets.commands.dev import SAMPLES_OFFSET, PortError, choose_samples_port

HOST = "127.0.0.1"


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def find_free_port() -> int:
    with listening() as port:
        return port


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where links lead; a port that is free here."""
    port = find_free_port()
    monkeypatch.setattr(dev, "SAMPLES_URL", f"http://{HOST}:{port}")
    return port


def test_samples_are_where_links_lead(usual: int) -> None:
    assert choose_samples_port(HOST, find_free_port()) == usual


def test_they_do_not_take_the_web_ui_s_place(usual: int) -> None:
    if usual + SAMPLES_OFFSET > 65_535:
        pytest.skip("no port is so high")
    assert choose_samples_port(HOST, usual) == usual + SAMPLES_OFFSET


def test_they_make_way_for_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as taken:
        monkeypatch.setattr(dev, "SAMPLES_URL", f"http://{HOST}:{taken}")
        port = find_free_port() - SAMPLES_OFFSET
        assert choose_samples_port(HOST, port) == port + SAMPLES_OFFSET
        with pytest.raises(PortError, match="choose another port"):
            choose_samples_port(HOST, taken - SAMPLES_OFFSET)
