"""`sdg export` of a checkpoint, and of what is none."""

from pathlib import Path

import pytest

from sdg_assets.commands.export import ExportError, export
from sdg_training.checkpoint import build_model, load_checkpoint, save_checkpoint
from sdg_training.recipe import Recipe


def test_a_checkpoint_is_exported_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe.model_validate({"adapter": {"hidden_size": 32}, "lora": {"rank": 4}})
    save_checkpoint(tmp_path / "one", *build_model(recipe), recipe, {})
    export(str(tmp_path / "one"), tmp_path / "whole")
    assert "without LoRA" in capsys.readouterr().out
    model, _ = load_checkpoint(tmp_path / "whole")
    assert model.config.lora_rank == 0
    with pytest.raises(ExportError, match="exists already"):
        export(str(tmp_path / "one"), tmp_path / "whole")


def test_a_folder_that_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is no checkpoint of sdg"):
        export(str(tmp_path), tmp_path / "whole")
