"""The published recipes: each loads, and makes an update with models of its shape, scaled down."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from transformers import MistralConfig

from sdg_assets.settings import load_profile
from sdg_tests.training.dummies import save_llm, write_toys
from sdg_training.checkpoint import load_checkpoint
from sdg_training.recipe import TrainConfig
from sdg_training.train import train

PUBLISHED = {"optimizer": "adam", "learning_rate": 1e-4, "weight_decay": 1e-3, "epochs": 3}


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llm(MistralConfig, tmp_path_factory.mktemp("mistral"))


@pytest.mark.parametrize("name", ["paper", "paper-xatt", "paper-7b"])
def test_a_published_recipe_makes_an_update(
    tmp_path: Path, encoder: Path, llm: Path, mistral: Path, name: str
) -> None:
    recipe = load_profile(name).recipe
    assert PUBLISHED.items() <= recipe.model_dump().items()
    assert recipe.batch_size * recipe.accumulate == 512
    assert recipe.fusion.type == ("cross_attention" if name == "paper-xatt" else "concat")
    pq.write_table(write_toys(tmp_path, [{}] * 6), tmp_path / "examples.parquet")
    models = {"encoder": str(encoder), "llm": str(mistral if name == "paper-7b" else llm)}
    local = {**models, "num_workers": 1}
    config = TrainConfig(
        examples=str(tmp_path / "examples.parquet"),
        blobs=f"file://{tmp_path}",
        output=tmp_path / "out",
        recipe=recipe.model_copy(
            update={**local, "max_steps": 1, "self_contained": True, "num_workers": 1}
        ),
    )
    result = train(config)
    assert result.metrics["updates"] == 1
    assert result.metrics["items"] == {"qa": 6, "asr": 6}
    model, _ = load_checkpoint(result.checkpoint)
    trained = {name.split(".")[0] for name, w in model.named_parameters() if w.requires_grad}
    fusion = {"fusion"} if name == "paper-xatt" else set()
    assert trained == {"encoder", "adapter", "projector", "llm", *fusion}
    assert all("lora_" in n for n, w in model.llm.named_parameters() if w.requires_grad)
