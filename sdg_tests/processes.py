"""`sdg` in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path


def start_sdg(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin an `sdg` command on ``home``, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from sdg_assets.cli import main; main()", *arguments],
        env={**os.environ, "SDG_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_sdg(home: Path, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """An `sdg` command's exit status and all that it said."""
    process = start_sdg(home, *arguments)
    said, _ = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(arguments, process.returncode, said)
