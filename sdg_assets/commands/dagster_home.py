"""Dagster's own state, below the home folder: runs, events and partitions."""

import os
import shutil
from pathlib import Path

from dagster import DagsterInstance

from sdg_assets.settings import SettingsError, home_folder

REPOSITORY = Path(__file__).resolve().parents[2]


def prepare() -> Path:
    """Make ``$SDG_HOME/dagster``, let Dagster use it, and return it.

    Raises:
        SettingsError: the project's ``dagster.yaml`` is not beside the package.
    """
    folder = home_folder() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copy(find_project_file("dagster.yaml"), folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["SDG_HOME"] = str(home_folder())
    return folder


def open_instance() -> DagsterInstance:
    prepare()
    return DagsterInstance.get()


def find_project_file(name: str) -> Path:
    for folder in (Path.cwd(), REPOSITORY):
        if (folder / name).is_file():
            return folder / name
    raise SettingsError(
        f"{name} is neither in {Path.cwd()} nor in {REPOSITORY}: run sdg from the project's folder"
    )
