"""Checkpoints of half the size: float16 in the file, float32 when loaded."""

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel


def save_half(model: PreTrainedModel, output: Path) -> None:
    """``save_pretrained`` in float16, where the configuration asks to be loaded in float32.

    Float16 on a CPU is slow and coarse; as a storage format it halves the file.
    """
    model.half()
    model.save_pretrained(output)
    model.float()
    config = output / "config.json"
    content = _ask_for_float32(json.loads(config.read_text()))
    config.write_text(json.dumps(content, indent=2) + "\n")


def _ask_for_float32(config: dict[str, Any]) -> dict[str, Any]:
    """Of the model and of any part of it that has a configuration of its own."""
    parts = {
        name: _ask_for_float32(value)
        for name, value in config.items()
        if isinstance(value, dict) and "model_type" in value
    }
    return config | parts | {"dtype": "float32"}
