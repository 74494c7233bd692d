"""The tests of this folder are about the tiny models that the package ships."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def shipped(tiny_models: None) -> None:
    """Skips, with its reason, while the weights are not there."""
