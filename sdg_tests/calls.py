"""`sdg` called in this process: fast, and as its `main` is called."""

import sys

import pytest

from sdg_assets.cli import main


def call_sdg(*arguments: str) -> int:
    """The exit status; what it says goes to the test's standard output and error."""
    kept, sys.argv = sys.argv, ["sdg", *arguments]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = kept
    return int(ended.value.code or 0)
