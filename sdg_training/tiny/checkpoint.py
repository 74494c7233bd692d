"""Checkpoints of half the size: float16 in the file, float32 when loaded."""

import json
from pathlib import Path

from transformers import PreTrainedModel


def save_half(model: PreTrainedModel, output: Path) -> None:
    """``save_pretrained`` in float16, where the configuration asks to be loaded in float32.

    Float16 on a CPU is slow and coarse; as a storage format it halves the file.
    """
    model.half()
    model.save_pretrained(output)
    model.float()
    config = output / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"dtype": "float32"}, indent=2) + "\n")
