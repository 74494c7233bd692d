"""Every error of the package is one that commands print as a sentence."""

import importlib
import inspect
import pkgutil

import pytest

import sdg_assets
from sdg_assets.corpora.keys import PartitionKeyError
from sdg_assets.errors import UserError, say_plainly
from sdg_assets.settings import SettingsError


def test_no_error_class_is_forgotten() -> None:
    for module in pkgutil.walk_packages(sdg_assets.__path__, "sdg_assets."):
        members = vars(importlib.import_module(module.name)).values()
        for member in members:
            if inspect.isclass(member) and member.__module__ == module.name:
                is_error = issubclass(member, Exception)
                assert not is_error or issubclass(member, UserError), f"{member} is no UserError"


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        (f"{SettingsError.__module__}.SettingsError: no profile 'x': write y\n", None),
        (f"{PartitionKeyError.__module__}.PartitionKeyError: no profile 'x': write y", None),
        ("KeyError: 'x'\n", "KeyError: 'x'"),
        ("some.library.OddError: a: b", "OddError: a: b"),
        ("External process failed: with code 1", "External process failed: with code 1"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_an_error_is_said_without_its_class_path(said: str, plain: str | None) -> None:
    assert say_plainly(said) == (plain or "no profile 'x': write y")
