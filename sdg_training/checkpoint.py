"""A checkpoint is a folder: model and processor as transformers writes them, recipe and metrics."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from peft.utils.error import NoMatchingPeftModuleError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoTokenizer
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
        CheckpointError: encoder or LLM cannot be found, is not whole, or is no such model; or they
            do not make a model with the recipe's adapter, fusion and LoRA.
    """
    disable_progress_bar()  # transformers' own: it breaks our lines
    encoder, llm = locate_model("encoder", recipe.encoder), locate_model("llm", recipe.llm)
    _require_model("encoder", encoder, _look_into_encoder)
    _require_model("llm", llm, _look_into_llm)
    try:
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
        processor.encode_text("?", "!")  # the chat template is first used here
    except NoMatchingPeftModuleError as error:
        raise CheckpointError(
            f"the recipe's lora.targets, {recipe.lora.targets}, are no layers of its llm, {llm}: "
            "name some of its linear layers, or all-linear"
        ) from error
    except (OSError, ValueError, RuntimeError, SafetensorError, TemplateError) as error:
        raise CheckpointError(
            f"the recipe's encoder, {encoder}, and its llm, {llm}, do not make a model with its "
            f"adapter, fusion and lora: {_shorten(error)}; correct what this names"
        ) from error
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

    Raises:
        CheckpointError: it cannot be written, as on a full disk.
    """
    with writing(folder), appearing_whole(folder) as partial:
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


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """
    Raises:
        CheckpointError: what is written in ``folder`` cannot be, as on a full disk.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} cannot be written: {_shorten(error)}; make room on its disk (or raise "
            "the limit on the size of a file), or write elsewhere"
        ) from error
    except RuntimeError as error:
        if "inline_container" not in str(error):  # where torch's own files are written
            raise
        raise CheckpointError(
            f"{folder} cannot be written whole: make room on its disk, or write elsewhere"
        ) from error


def export_checkpoint(folder: Path, target: Path) -> None:
    """Writes ``target``: the checkpoint with LoRA added to the LLM's own weights and all frozen
    weights beside them, which loads without peft and without the models it was made from.

    Raises:
        CheckpointError: as :func:`load_checkpoint` says, or ``target`` exists already or cannot be
            written.
    """
    if target.exists():
        raise CheckpointError(f"{target} exists already: remove it, or write elsewhere")
    model, processor = load_checkpoint(folder)
    model.merge_lora()
    with writing(target), appearing_whole(target) as partial:
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
    if damage := find_damage(Path(folder)):
        raise CheckpointError(f"{folder} is damaged: {damage}; copy the checkpoint again, whole")
    disable_progress_bar()  # transformers' own: it breaks our lines
    with _explaining(Path(folder)):
        model = SALMForConditionalGeneration.from_pretrained(folder).eval()
    try:
        return model, SALMProcessor.from_pretrained(folder)
    except Exception as error:  # tokenizers have none of their own
        raise CheckpointError(
            f"the processor in {folder} is damaged ({_shorten(error)}): copy the checkpoint "
            "again, whole"
        ) from error


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
            f"the frozen weights that {folder} refers to are cut off or damaged ({error}): copy "
            "the models that its config.json names again, whole"
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
    """The recipe that the checkpoint was trained by.

    Raises:
        CheckpointError: the folder holds no checkpoint of ours, or one that is damaged.
    """
    _check(Path(folder))
    path = Path(folder) / RECIPE_FILE
    try:
        return Recipe.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged, or of another version of sdg ({error}): copy the checkpoint "
            "again, whole, or train anew"
        ) from error


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


def _require_model(part: str, name: str, look_into: Callable[[str], None]) -> None:
    """
    Raises:
        CheckpointError: a model that a recipe names cannot be loaded.
    """
    try:
        AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the recipe's {part}, {name}, cannot be loaded: it is neither a folder with a "
            f"config.json nor a model that the hub gives us ({_shorten(error)})"
        ) from error
    if damage := find_damage(Path(name)):
        raise CheckpointError(
            f"the recipe's {part}, {name}, cannot be loaded: {damage}; download or copy it again"
        )
    try:
        look_into(name)
    except Exception as error:  # tokenizers have none of their own
        raise CheckpointError(
            f"the recipe's {part}, {name}, cannot be loaded: {_shorten(error)}; name another "
            "model, or get this one again, whole"
        ) from error


def _look_into_encoder(name: str) -> None:
    AutoFeatureExtractor.from_pretrained(name)


def _look_into_llm(name: str) -> None:
    if AutoTokenizer.from_pretrained(name).chat_template is None:
        raise ValueError(
            "its tokenizer has no chat template, as that of a model that was not taught to chat "
            "(its variant -Instruct, -chat or -it has one)"
        )


def _shorten(error: Exception) -> str:
    """What transformers says, which goes on for a screen."""
    return " ".join(str(error).split())[:300] or type(error).__name__


_LOADED = (
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "tokenizer*.json", "special_tokens_map.json", "vocab.json", "model*.json", RECIPE_FILE,
    "model*.safetensors",
)  # fmt: skip


def find_damage(folder: Path) -> str | None:
    """What is wrong with the first file of ``folder`` that is not whole."""
    for path in sorted(path for kind in _LOADED for path in folder.glob(kind)):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            else:
                with safe_open(path, "pt"):
                    pass  # which reads the header, and how long the file should be
        except (OSError, ValueError, SafetensorError) as error:
            return f"{path.name} is cut off or damaged ({error})"
    return None


def _check(folder: Path) -> None:
    missing = [name for name in ("config.json", RECIPE_FILE) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is no checkpoint of sdg: it has no {' and no '.join(missing)}; "
            "give the folder that a training run wrote"
        )
