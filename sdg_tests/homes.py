"""A home folder of a test's own."""

from pathlib import Path

import pytest


def live_in(home: Path, environment: pytest.MonkeyPatch) -> None:
    """Make ``home`` the home folder, of Dagster too."""
    environment.setenv("SDG_HOME", str(home))
    environment.delenv("DAGSTER_HOME", raising=False)
