"""Dagster's own state, below the home folder: runs, events and partitions."""

import os
import shutil
from importlib import resources
from pathlib import Path

from dagster import DagsterInstance

from sdg_assets.settings import home_folder


def prepare() -> Path:
    """Make ``$SDG_HOME/dagster``, let Dagster use it, and return it."""
    folder = home_folder() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(find_file("dagster.yaml"), folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["SDG_HOME"] = str(home_folder())
    return folder


def open_instance() -> DagsterInstance:
    prepare()
    return DagsterInstance.get()


def find_file(name: str) -> Path:
    """One of Dagster's files that come with the package."""
    return Path(str(resources.files("sdg_assets") / name))
