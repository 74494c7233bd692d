"""Serves the pages: ``python -m sdg_assets.samples --port 4000``; `sdg dev` starts it."""

import argparse

import uvicorn

from sdg_assets.samples.app import build_app
from sdg_assets.workspace import open_workspace


def main() -> None:
    parser = argparse.ArgumentParser("python -m sdg_assets.samples", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4000)
    options = parser.parse_args()
    app = build_app(open_workspace(read_only=True))
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
