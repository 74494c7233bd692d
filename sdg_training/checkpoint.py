"""A checkpoint is a folder: model and processor as transformers writes them, recipe and metrics."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging
from transformers.utils.logging import disable_progress_bar

from sdg_training.folders import appearing_whole
from sdg_training.lineage import Lineage
from sdg_training.model_card import write_model_card
from sdg_training.recipe import Recipe, locate_model
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor
from sdg_training.salm.modeling_salm import speech_encoder

RECIPE_FILE = "recipe.json"
METRICS_FILE = "metrics.json"
LINEAGE_FILE = "lineage.json"
TENSORBOARD = "tensorboard"


class CheckpointError(RuntimeError):
    """A folder is no checkpoint: says what was wrong, where, and what to do next."""


def build_model(recipe: Recipe) -> tuple[SALMForConditionalGeneration, SALMProcessor]:
    """Pretrained encoder and LLM, with an adapter and LoRA that ``recipe.seed`` makes.

    Raises:
        CheckpointError: encoder or LLM cannot be found.
    """
    disable_progress_bar()  # transformers' own: it breaks our lines
    encoder, llm = locate_model("encoder", recipe.encoder), locate_model("llm", recipe.llm)
    for part, name in (("encoder", encoder), ("llm", llm)):
        _require_model(part, name)
    model = SALMForConditionalGeneration.from_encoder_llm_pretrained(
        encoder,
        llm,
        seed=recipe.seed,
        freeze_encoder=recipe.freeze_encoder,
        self_contained=recipe.self_contained,
        **{f"adapter_{name}": value for name, value in recipe.adapter},
        fusion=recipe.fusion.type,
        **{f"fusion_{name}": value for name, value in recipe.fusion if name != "type"},
        **{f"lora_{name}": value for name, value in recipe.lora},
    )
    processor = SALMProcessor.from_encoder_llm_pretrained(
        encoder, llm, model.config, user_message=recipe.user_message
    )
    model.config.audio_token_id = processor.audio_token_id
    return model, processor


def save_checkpoint(
    folder: Path,
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    recipe: Recipe,
    metrics: Mapping[str, Any],
    lineage: Lineage | None = None,
    tensorboard: Path | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes ``folder`` under another name first: it appears whole, or not at all.

    Args:
        tensorboard: a folder of event files, to be copied.
        weights: of the whole model, where ``model`` holds a part of them alone (FSDP).
    """
    with appearing_whole(folder) as partial:
        model.save_pretrained(partial, state_dict=None if weights is None else dict(weights))
        processor.save_pretrained(partial)
        (partial / RECIPE_FILE).write_text(recipe.model_dump_json(indent=2), encoding="utf-8")
        (partial / METRICS_FILE).write_text(json.dumps(metrics, indent=2), encoding="utf-8")
        card = write_model_card(recipe, metrics, lineage)
        (partial / "README.md").write_text(card, encoding="utf-8")
        if lineage is not None:
            text = lineage.model_dump_json(indent=2)
            (partial / LINEAGE_FILE).write_text(text, encoding="utf-8")
        if tensorboard is not None and tensorboard.is_dir():
            shutil.copytree(tensorboard, partial / TENSORBOARD)


def export_checkpoint(folder: Path, target: Path) -> None:
    """Writes ``target``: the checkpoint with LoRA added to the LLM's own weights and all frozen
    weights beside them, which loads without peft and without the models it was made from.

    Raises:
        CheckpointError: as :func:`load_checkpoint` says, or ``target`` exists already.
    """
    if target.exists():
        raise CheckpointError(f"{target} exists already: remove it, or write elsewhere")
    model, processor = load_checkpoint(folder)
    model.merge_lora()
    with appearing_whole(target) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)
        for name in (RECIPE_FILE, METRICS_FILE, LINEAGE_FILE, "README.md"):
            if (folder / name).is_file():
                shutil.copy(folder / name, partial)


def load_checkpoint(folder: str | Path) -> tuple[SALMForConditionalGeneration, SALMProcessor]:
    """Model, ready to generate, and processor.

    Raises:
        CheckpointError: the folder is none, holds no checkpoint of ours, or one that is damaged or
            belongs to another encoder or LLM.
    """
    _check(Path(folder))
    disable_progress_bar()  # transformers' own: it breaks our lines
    with _explaining(Path(folder)):
        model = SALMForConditionalGeneration.from_pretrained(folder).eval()
    return model, SALMProcessor.from_pretrained(folder)


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """
    Raises:
        CheckpointError: what transformers, torch and safetensors say of weights they cannot load.
    """
    level = transformers_logging.get_verbosity()
    # Its report of mismatches is a screen long.
    transformers_logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(
            f"the weights in {folder} are cut off or damaged ({error}): copy the checkpoint again, "
            "whole"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} cannot be loaded: {error}") from error
    except RuntimeError as error:  # weights of other shapes
        raise CheckpointError(
            f"the weights in {folder} do not fit the encoder and the LLM that its config.json "
            "names: they were trained with others. Name those there again, or train anew"
        ) from error
    finally:
        transformers_logging.set_verbosity(level)


def load_recipe(folder: str | Path) -> Recipe:
    """The recipe that the checkpoint was trained by."""
    _check(Path(folder))
    return Recipe.model_validate_json((Path(folder) / RECIPE_FILE).read_text(encoding="utf-8"))


def undo_training(model: SALMForConditionalGeneration, recipe: Recipe) -> None:
    """Turns a checkpoint's model into what it was before its first step, in place.

    Raises:
        CheckpointError: LoRA has become part of the LLM.
    """
    if recipe.lora.rank and not model.config.lora_rank:
        raise CheckpointError(
            "this checkpoint was exported, and its training cannot be undone: score the one that "
            "it was exported from"
        )
    if not recipe.freeze_encoder:
        encoder = AutoModel.from_pretrained(locate_model("encoder", recipe.encoder))
        model.encoder.load_state_dict(speech_encoder(encoder).state_dict())
    model.reset_trainable(recipe.seed)
    model.eval()


def _require_model(part: str, name: str) -> None:
    try:
        AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the recipe's {part}, {name}, cannot be loaded: it is neither a folder with a "
            f"config.json nor a model that the hub gives us ({str(error).splitlines()[0]})"
        ) from error


def _check(folder: Path) -> None:
    missing = [name for name in ("config.json", RECIPE_FILE) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is no checkpoint of sdg: it has no {' and no '.join(missing)}; "
            "give the folder that a training run wrote"
        )
