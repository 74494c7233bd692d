"""Every reason for which something is refused says what to do about it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import sdg_assets
import sdg_training
from sdg_assets.audio import AudioReason
from sdg_assets.remedies import REMEDIES, find_remedy

# What refuses with a reason, and which of its arguments that is.
REFUSALS = {"Reject": 1, "Skip": 1, "ParseError": 0}
PACKAGES = [Path(package.__path__[0]) for package in (sdg_assets, sdg_training)]


def list_reasons() -> Iterator[str]:
    """Those written in the code; readers' tests look at the others."""
    for file in (file for package in PACKAGES for file in package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = REFUSALS.get(node.func.id, len(node.args))
                yield from (each.value for each in node.args[place : place + 1]
                            if isinstance(each, ast.Constant))  # fmt: skip


@pytest.mark.parametrize("reason", sorted({*list_reasons(), *get_args(AudioReason)}))
def test_a_reason_has_a_remedy(reason: str) -> None:
    assert any(reason in remedies for remedies in REMEDIES.values())


def test_the_same_reason_has_the_remedy_of_its_stage() -> None:
    assert "max_seconds" in find_remedy("raw_audio", "too_long")
    assert "voices" in find_remedy("synthesized_speech", "too_long")
    assert "only for what failed" in find_remedy("generated_qa", "http_500")
