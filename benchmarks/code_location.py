"""How long Dagster's code location takes to load, in fresh processes, and what takes longest.

.venv/bin/python benchmarks/code_location.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 5
LOAD = [
    sys.executable,
    "-c",
    "import sdg_assets.definitions as d; d.defs.resolve_all_asset_specs()",
]
BARE = [sys.executable, "-c", "import dagster"]


def measure(command: list[str]) -> list[float]:
    """Seconds of each run; the first, which reads the disk, is left out."""
    seconds = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def slowest_imports(count: int = 8) -> list[tuple[float, str]]:
    """Seconds with everything imported beneath, and the module."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *LOAD[1:]], capture_output=True, text=True, check=True
    )
    rows = [line.split("|") for line in ran.stderr.splitlines() if line.count("|") == 2]
    times = [(int(row[1]) / 1e6, row[2].strip()) for row in rows if row[1].strip().isdigit()]
    return sorted(times, reverse=True)[:count]


def main() -> None:
    location, dagster = measure(LOAD), measure(BARE)
    print(f"code location  median {statistics.median(location):.2f} s  max {max(location):.2f} s")
    print(f"dagster alone  median {statistics.median(dagster):.2f} s  max {max(dagster):.2f} s")
    for seconds, module in slowest_imports():
        print(f"  {seconds:5.2f} s  {module}")


if __name__ == "__main__":
    main()
