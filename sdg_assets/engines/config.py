"""What the configuration of every engine has in common."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

TINY_WORLD = "tiny-world"  # the word for the project's own embedded model


class EngineConfig(BaseModel, ABC):
    """Base of each backend's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def label(self) -> str:
        """What a person calls it: ``openai-whisper/large-v3``, ``espeak``."""
        named = (getattr(self, field, None) for field in ("backend", "model"))
        return "/".join(str(name) for name in named if name is not None)

    @abstractmethod
    def start(self) -> Any:
        """Load the model: the engine that this describes.

        Raises:
            EngineError: it cannot work as configured.
        """


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
