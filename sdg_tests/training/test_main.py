"""`python -m sdg_training.train`: what it fails of is one line, for whoever started it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sdg_training import train as module
from sdg_training.train import main


def fail(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run that must fail says."""
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(path)])
    assert ended.value.code == 1
    return capsys.readouterr().err.strip()


def write_config(folder: Path, **recipe: Any) -> Path:
    values = {"examples": "absent.parquet", "blobs": "blobs", "output": str(folder / "out")}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**values, "recipe": recipe}), encoding="utf-8")
    return path


def test_an_expected_error_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.yaml"
    assert fail(absent, capsys).startswith(f"{absent} is no training configuration")
    (tmp_path / "no.yaml").write_text("recipe: a: b", encoding="utf-8")
    assert f'in "{tmp_path}/no.yaml", line 1' in fail(tmp_path / "no.yaml", capsys)
    (tmp_path / "out").mkdir()
    said = fail(write_config(tmp_path), capsys)
    assert said == f"{tmp_path}/out exists already: remove it, or write elsewhere"


def test_a_bug_keeps_its_traceback_and_ends_with_its_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object) -> None:
        raise KeyError("weights")

    monkeypatch.setattr(module, "train", train)
    said = fail(write_config(tmp_path), capsys)
    assert "Traceback" in said
    assert said.splitlines()[-1] == "KeyError: 'weights'"


def test_an_interrupt_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", train)
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(write_config(tmp_path))])
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""
