"""Small random models that stand in for pretrained ones."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from sdg_tests.training.dummies import build_parakeet, save_llm


@pytest.fixture(scope="session")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama, its tokenizer and its chat template."""
    return save_llm(LlamaConfig, tmp_path_factory.mktemp("llm"))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random FastConformer and its feature extractor."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(2)
    for part in build_parakeet():
        part.save_pretrained(folder)
    return folder
