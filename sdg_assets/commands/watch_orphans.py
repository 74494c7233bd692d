"""Dagster's script of this name, which mirrors a step's log until its run is gone, made deaf to
Ctrl-C: a terminal sends that to it as well, and it would answer with a traceback."""

import importlib.util
import runpy
import signal
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    package = importlib.util.find_spec("dagster")  # found, and not imported
    assert package is not None
    scripts = Path(str(package.origin)).parent / "_core" / "execution" / "scripts"
    runpy.run_path(str(scripts / Path(__file__).name), run_name="__main__")
