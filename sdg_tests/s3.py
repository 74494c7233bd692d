"""A local S3 server for tests (`moto_server`), where it is installed.

It is looked for on the PATH rather than imported: its dependencies pin another botocore than s3fs
does, so it lives in an environment of its own (``pipx install 'moto[server]'``).
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdg_tests.ports import find_free_port

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def find_server() -> str | None:
    return shutil.which("moto_server")


@contextmanager
def run_server(program: str) -> Iterator[str]:
    """Yields the endpoint URL."""
    port = find_free_port()
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"moto_server did not come up on port {port}")
