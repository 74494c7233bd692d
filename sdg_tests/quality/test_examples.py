"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

from sdg_assets import quality

MODULES = [module.name for module in pkgutil.iter_modules(quality.__path__, "sdg_assets.quality.")]
WITH_EXAMPLES = {
    "audio_text",
    "grounding",
    "judge_parsing",
    "languages",
    "pseudo_labels",
    "qa_phrases",
    "speech_text",
    "text",
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
    assert (outcome.attempted > 0) == (name.rpartition(".")[2] in WITH_EXAMPLES)
