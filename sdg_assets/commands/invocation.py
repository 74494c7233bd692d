"""How `sdg` is called from where the user stands."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdg_training.reporting import print_line


def program() -> str:
    """`sdg` where the shell finds it, else the path of the one that runs now."""
    script = Path(sys.executable).with_name("sdg")
    found = shutil.which("sdg")
    if found is not None and Path(found).resolve() == script.resolve():
        return "sdg"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def this_command() -> str:
    """The command line that started this process, to be typed again."""
    return f"{program()} {shlex.join(sys.argv[1:])}"


@contextmanager
def saying_how_to_go_on() -> Iterator[None]:
    """Where an interrupt ends a command that resumes, say so."""
    try:
        yield
    except KeyboardInterrupt:
        print_line(f"interrupted: what is recorded stays; to go on: {this_command()}")
        raise
