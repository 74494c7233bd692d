"""`sdg dev`: the web UI and the daemon, ready to use."""

import os
import subprocess
import sys

from sdg_assets.commands.dagster_home import find_project_file, prepare
from sdg_assets.workspace import open_workspace


def start(host: str, port: int) -> int:
    """Run ``dagster dev`` until it is stopped; its exit status."""
    prepare()
    workspace = open_workspace()
    landing = workspace.settings.landing.url
    if "://" not in landing:
        os.makedirs(landing, exist_ok=True)
    print(f"sdg: the web UI is at http://{host}:{port}")
    print(f"sdg: drop audio into {landing}/<corpus>/<language>/")
    command = [
        sys.executable, "-m", "dagster", "dev",
        "--workspace", str(find_project_file("workspace.yaml")),
        "--host", host, "--port", str(port),
    ]  # fmt: skip
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 0
