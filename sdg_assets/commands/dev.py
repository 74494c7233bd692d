"""`sdg dev`: the web UI and the daemon, ready to use."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType

from sdg_assets.commands.dagster_home import find_file, prepare
from sdg_assets.errors import UserError
from sdg_assets.settings import SAMPLES_URL, SAMPLES_VARIABLE
from sdg_assets.workspace import open_workspace

STOP_SECONDS = 20
SAMPLES_OFFSET = 1000  # from the web UI's port to that of the samples, where theirs is taken
_NO_ADVICE = "ignore:Function `dev_command`:FutureWarning"  # to use Dagster's newer `dg dev`


class PortError(UserError):
    """The web UI cannot be served at this address."""


def start(host: str, port: int) -> int:
    """Run ``dagster dev`` and the pages of samples until it or this process is stopped.

    Returns:
        Its exit status.

    Raises:
        PortError: one of the addresses cannot be listened on.
    """
    check_port(host, port)
    samples_port = choose_samples_port(host, port)
    prepare()
    seen = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # links are followed from here
    os.environ[SAMPLES_VARIABLE] = f"http://{seen}:{samples_port}"
    landing = open_workspace().settings.landing.url
    if "://" not in landing:
        os.makedirs(landing, exist_ok=True)
    print(f"sdg: the web UI comes up at http://{host}:{port}")
    print(f"sdg: listen to samples at http://{seen}:{samples_port}")
    print(f"sdg: drop audio into {landing}/<corpus>/<language>/", flush=True)
    workspace = str(find_file("workspace.yaml"))
    samples = _serve(host, samples_port, "sdg_assets.samples")
    server = _serve(host, port, "dagster", "dev", "--workspace", workspace)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return server.wait()
    except KeyboardInterrupt:
        return _stop(server)
    finally:
        _kill_group(samples.pid)


def choose_samples_port(host: str, port: int) -> int:
    """Where links lead that were written without a server, if it is free; else one by ``port``.

    Raises:
        PortError: neither is free.
    """
    usual = int(SAMPLES_URL.rpartition(":")[2])
    if usual != port:
        with suppress(PortError):
            check_port(host, usual)
            return usual
    check_port(host, port + SAMPLES_OFFSET)
    return port + SAMPLES_OFFSET


def _serve(host: str, port: int, *module: str) -> subprocess.Popen[bytes]:
    """Start a module that serves at an address.

    In a group of its own, so that one signal reaches what it starts as well; and with default
    handlers, since a background shell makes its children ignore interrupts.
    """
    return subprocess.Popen(
        [sys.executable, "-W", _NO_ADVICE, "-m", *module, "--host", host, "--port", str(port)],
        start_new_session=True,
        preexec_fn=_default_signals,
    )


def check_port(host: str, port: int) -> None:
    """
    Raises:
        PortError: another program listens there, or it is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the web server does: a port that was in use a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise PortError(
            f"cannot listen on {host}:{port} ({error}): choose another port with --port, or with "
            "make dev PORT=3001"
        ) from error


def _stop(server: subprocess.Popen[bytes]) -> int:
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill_group(server.pid)
    return 0


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
