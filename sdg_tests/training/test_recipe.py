"""Recipes that no model can be built or trained by."""

from typing import Any

import pytest
from pydantic import ValidationError

from sdg_training.recipe import Recipe


@pytest.mark.parametrize(
    "message",
    [
        "{question}",
        "{audio}",
        "{audio}{audio}{question}",
        "{audio} {question} {question}",
        "{audio} {question} {context}",
        "{audio} {question} {}",
    ],
)
def test_a_user_message_has_each_placeholder_once(message: str) -> None:
    with pytest.raises(ValidationError, match=r"user_message\n.* each once, and no other"):
        Recipe(user_message=message)


@pytest.mark.parametrize("message", ["{question} {audio}", '{audio}{question} {"a": 1}'])
def test_a_user_message_may_be_in_any_order(message: str) -> None:
    assert Recipe(user_message=message).user_message == message


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"subsampling_factor": 3}, r"subsampling_factor \(3\) must be a power of two"),
        ({"num_attention_heads": 7}, "a multiple of num_attention_heads"),
        ({"hidden_size": 21, "num_attention_heads": 7}, "must be even"),
        ({"conv_kernel_size": 4}, "must be odd"),
    ],
)
def test_a_conformer_s_sizes_fit_together(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Recipe.model_validate({"adapter": {"type": "conformer", **values}})
    Recipe.model_validate({"adapter": {"type": "mlp", **values}})  # which has no such sizes
