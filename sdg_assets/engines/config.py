"""What the configuration of every engine has in common."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

TINY_WORLD = "tiny-world"  # the word for the project's own embedded model


class EngineConfig(BaseModel):
    """Base of each backend's configuration; its ``start()`` loads the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def pick_device(device: str) -> str:
    """``auto`` is the first GPU where there is one, else the CPU."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def name_model(model: str) -> str:
    """What a fingerprint calls a model: where its file lies must not matter."""
    path = Path(model).expanduser()
    return path.stem if path.is_file() else path.name if path.is_dir() else model
