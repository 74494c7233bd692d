"""What the demo costs: minutes and peak memory of all its processes together, in a fresh folder.

.venv/bin/python benchmarks/demo.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INTERVAL = 0.5  # seconds between looks at the memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="keep the demo there; default: a passing folder")
    home = parser.parse_args().home
    sdg = Path(sys.executable).with_name("sdg")
    with tempfile.TemporaryDirectory() as folder:
        start, peak = time.monotonic(), 0
        environment = {**os.environ, "SDG_HOME": str(home or f"{folder}/sdg")}
        process = subprocess.Popen([sdg, "demo"], env=environment)
        while process.poll() is None:
            peak = max(peak, measure_tree(process.pid))
            time.sleep(INTERVAL)
        minutes = (time.monotonic() - start) / 60
        print(f"\nexit {process.returncode}  {minutes:.1f} minutes  peak {peak / 1e9:.2f} GB")
    sys.exit(process.returncode)


def measure_tree(root: int) -> int:
    """Bytes of memory that a process and all beneath it take; what they share counts once each."""
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            threads = Path(f"/proc/{process}/task")
            waiting += [
                int(child)
                for thread in threads.iterdir()
                for child in (thread / "children").read_text().split()
            ]
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


if __name__ == "__main__":
    main()
