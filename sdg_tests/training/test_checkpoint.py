"""Checkpoints that cannot be loaded, and what is said of them."""

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from sdg_training.checkpoint import (
    CheckpointError,
    build_model,
    export_checkpoint,
    load_checkpoint,
    load_recipe,
    save_checkpoint,
    undo_training,
    writing,
)
from sdg_training.recipe import Recipe


def save(folder: Path, encoder: Path, llm: Path, *, self_contained: bool) -> Path:
    recipe = Recipe.model_validate(
        {
            "encoder": str(encoder), "llm": str(llm), "lora": {"rank": 4},
            "self_contained": self_contained,
        }
    )  # fmt: skip
    model, processor = build_model(recipe)
    save_checkpoint(folder, model, processor, recipe, {})
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_off(folder: Path) -> None:
    cut(folder / "model.safetensors")


def lose_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def name_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"hidden_size": 64, "head_dim": 16}
    (folder / "config.json").write_text(json.dumps(config))


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (cut_off, "cut off or damaged"),
    (lose_weights, "cannot be loaded: .*model.safetensors"),
    (name_another_shape, "do not fit the encoder and the LLM"),
]


@pytest.mark.parametrize(("spoil", "told"), FAULTS)
def test_a_damaged_checkpoint_is_an_error_that_says_so(
    tmp_path: Path, encoder: Path, llm: Path, spoil: Callable[[Path], None], told: str
) -> None:
    folder = save(tmp_path / "checkpoint", encoder, llm, self_contained=True)
    load_checkpoint(folder)
    spoil(folder)
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer_config.json", "processor_config.json", "recipe.json",
     "config.json", "generation_config.json"],
)  # fmt: skip
def test_a_file_that_is_cut_off_is_named(
    tmp_path: Path, encoder: Path, llm: Path, name: str
) -> None:
    folder = save(tmp_path / "checkpoint", encoder, llm, self_contained=True)
    cut(folder / name)
    with pytest.raises(CheckpointError, match=f"{folder} is damaged: {name} is cut off"):
        load_checkpoint(folder)
    if name == "recipe.json":
        with pytest.raises(CheckpointError, match=f"{folder / name} is damaged"):
            load_recipe(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "processor_config.json"])
def test_a_file_that_says_nothing_is_told(
    tmp_path: Path, encoder: Path, llm: Path, name: str
) -> None:
    folder = save(tmp_path / "checkpoint", encoder, llm, self_contained=True)
    (folder / name).write_text("{}")
    with pytest.raises(CheckpointError, match=f"the processor in {folder} is damaged"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("part", "name", "told"),
    [
        ("llm", "model.safetensors", r"model\.safetensors is cut off"),
        ("encoder", "model.safetensors", r"model\.safetensors is cut off"),
        ("llm", "tokenizer.json", r"tokenizer\.json is cut off"),
        ("llm", "chat_template.jinja", "its tokenizer has no chat template"),
        ("encoder", "preprocessor_config.json", "Can't load feature extractor"),
    ],
)
def test_a_model_of_the_recipe_that_is_not_whole_is_named(
    tmp_path: Path, encoder: Path, llm: Path, part: str, name: str, told: str
) -> None:
    folders = {"encoder": encoder, "llm": llm}
    broken = folders[part] = Path(shutil.copytree(folders[part], tmp_path / "broken"))
    if "is cut off" in told:
        cut(broken / name)
    else:
        (broken / name).unlink()
    recipe = Recipe(encoder=str(folders["encoder"]), llm=str(folders["llm"]))
    with pytest.raises(CheckpointError, match=f"recipe's {part}, {broken}, cannot .*{told}"):
        build_model(recipe)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"lora": {"targets": ["nothing"]}}, r"lora\.targets, \['nothing'\], are no layers of"),
        ({"lora": {"targets": ["input_layernorm"]}}, "adapter, fusion and lora: .*RMSNorm"),
        (
            {"fusion": {"type": "cross_attention", "num_attention_heads": 7}},
            "fusion_num_attention_heads=7 does not divide",
        ),
    ],
)
def test_parts_that_make_no_model_are_named(
    encoder: Path, llm: Path, values: dict[str, Any], told: str
) -> None:
    values = {"encoder": str(encoder), "llm": str(llm), **values}
    with pytest.raises(CheckpointError, match=told):
        build_model(Recipe.model_validate(values))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, encoder: Path, llm: Path) -> None:
    recipe = Recipe(encoder=str(encoder), llm=str(llm), self_contained=True)
    model, processor = build_model(recipe)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for largest in (20_000, 200):  # of a file: too little for the weights, and for config.json
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
        try:
            with pytest.raises(CheckpointError, match=f"{tmp_path / 'full'} cannot be written"):
                save_checkpoint(tmp_path / "full", model, processor, recipe, {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_where_torch_writes(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with (
            pytest.raises(CheckpointError, match="cannot be written whole: make room"),
            writing(tmp_path),
        ):
            torch.save({"exp_avg": torch.randn(100, 100)}, tmp_path / "optimizer.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_nobody_loads_may_be_anything(tmp_path: Path, encoder: Path, llm: Path) -> None:
    folder = save(tmp_path / "checkpoint", encoder, llm, self_contained=True)
    (folder / "train_log.json").write_text('{"loss": 1}\n{"loss": 2}\n')
    load_checkpoint(folder)


def test_an_adapter_is_not_loaded_onto_another_llm(
    tmp_path: Path, encoder: Path, llm: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(llm, base)
    folder = save(tmp_path / "checkpoint", encoder, base, self_contained=False)
    load_checkpoint(folder)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4,
        )
    ).save_pretrained(base)  # fmt: skip
    with pytest.raises(CheckpointError, match="they were trained with others"):
        load_checkpoint(folder)


@pytest.mark.parametrize("part", ["encoder", "llm"])
def test_other_weights_of_the_same_shape_are_refused(
    tmp_path: Path, encoder: Path, llm: Path, part: str
) -> None:
    bases = {"encoder": tmp_path / "encoder", "llm": tmp_path / "llm"}
    shutil.copytree(encoder, bases["encoder"])
    shutil.copytree(llm, bases["llm"])
    folder = save(tmp_path / "checkpoint", **bases, self_contained=False)
    load_checkpoint(folder)
    weights = load_file(bases[part] / "model.safetensors")
    changed = {name: weight + 1 for name, weight in weights.items()}
    save_file(changed, bases[part] / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="trained with another encoder or LLM"):
        load_checkpoint(folder)


def test_an_exported_checkpoint_needs_neither_its_llm_nor_peft(
    tmp_path: Path, encoder: Path, llm: Path
) -> None:
    folder = save(tmp_path / "checkpoint", encoder, llm, self_contained=False)
    target = tmp_path / "exports" / "whole"
    export_checkpoint(folder, target)
    config = json.loads((target / "config.json").read_text())
    config |= {"text_name_or_path": "/nowhere", "encoder_name_or_path": "/nowhere"}
    (target / "config.json").write_text(json.dumps(config))
    model, _ = load_checkpoint(target)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
    with pytest.raises(CheckpointError, match="cannot be undone"):
        undo_training(model, load_recipe(target))
    with pytest.raises(CheckpointError, match="exists already"):
        export_checkpoint(folder, target)
