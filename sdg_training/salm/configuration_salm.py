"""The configuration of SALM, and how many audio embeddings a recording becomes."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

Strides = list[tuple[int, int, int]]
"""(kernel, stride, padding on both sides together) of each layer that shortens a sequence."""


def subsampled_length(length: Any, strides: Sequence[tuple[int, int, int]]) -> Any:
    """Frames left of ``length`` frames (an int, an array or a tensor of them)."""
    for kernel, stride, padding in strides:
        length = (length + padding - kernel) // stride + 1
    return length


def encoder_strides(config: PreTrainedConfig) -> Strides:
    """What shortens the feature frames (or samples) inside an encoder.

    Raises:
        ValueError: the encoder's family is not known.
    """
    match config.model_type:
        case "parakeet_encoder":
            kernel, stride = config.subsampling_conv_kernel_size, config.subsampling_conv_stride
            layers = config.subsampling_factor.bit_length() - 1  # a power of two
            return [(kernel, stride, (kernel - 1) // 2 * 2)] * layers
        case "whisper":
            return [(3, 2, 2)]
        case "hubert":
            pairs = zip(config.conv_kernel, config.conv_stride, strict=True)
            return [(kernel, stride, 0) for kernel, stride in pairs]
        case "wav2vec2-bert" if not config.add_adapter:
            return []
    raise ValueError(
        f"a speech encoder of type {config.model_type!r} is not supported; use one of type "
        "parakeet_encoder, whisper, hubert or wav2vec2-bert (without its own adapter)"
    )


@strict
class SALMConfig(PreTrainedConfig):
    r"""
    encoder_config (`PreTrainedConfig` or `dict`):
        The speech encoder.
    text_config (`PreTrainedConfig` or `dict`):
        The LLM.
    encoder_name_or_path, text_name_or_path (`str`, *optional*):
        Where their pretrained weights come from; needed where the checkpoint refers to them.
    audio_token_id (`int`):
        The placeholder in the prompt. It is never embedded, so the LLM need not know it.
    adapter_type (`str`):
        `conformer`: Conformer layers as published; `mlp`: stacked frames through one hidden layer.
    adapter_subsampling_factor (`int`):
        Encoder frames per audio embedding: a power of two for `conformer`.
    fusion (`str`):
        How speech meets text. `concat` (SALM): audio embeddings stand in the prompt, at the
        placeholder. `cross_attention` (SALM-XATT): text embeddings look at the speech before the
        LLM, whose input stays as long as the text.
    fusion_hidden_size (`int`, *optional*):
        Width of the cross-attention layers; by default that of the LLM.
    fusion_intermediate_size (`int`, *optional*):
        Width inside their feed-forward networks; by default their own.
    fusion_rotary (`bool`):
        Whether the fusion's self-attention knows the distance between tokens, by rotary positions.
        As published it does not.
    lora_rank (`int`):
        0 trains no LoRA at all.
    lora_targets (`str` or `list[str]`):
        peft's `target_modules`; `all-linear` is attention and MLP of every LLM family.
    freeze_encoder (`bool`):
        Whether the encoder keeps its pretrained weights.
    self_contained (`bool`, *optional*):
        Whether a checkpoint holds the frozen weights too; by default where they are few.
    frozen_digest (`str`, *optional*):
        Of the frozen weights that a checkpoint refers to; others of the same shape are refused.
    """

    model_type = "salm"
    sub_configs_defaults = {  # noqa: RUF012
        "encoder_config": SubConfigSpec(AutoConfig, model_type="parakeet_encoder"),
        "text_config": SubConfigSpec(AutoConfig, model_type="llama"),
    }

    encoder_config: Any = None
    text_config: Any = None
    encoder_name_or_path: str | None = None
    text_name_or_path: str | None = None
    audio_token_id: int = 32_000

    # Published: NeMo's examples/speechlm2/conf/salm.yaml.
    adapter_type: Literal["conformer", "mlp"] = "conformer"
    adapter_hidden_size: int = 1024
    adapter_num_layers: int = 2
    adapter_num_attention_heads: int = 8
    adapter_intermediate_size: int = 4096
    adapter_conv_kernel_size: int = 9
    adapter_subsampling_factor: int = 1
    adapter_dropout: float = 0.0

    # Published: 2 layers (arXiv 2406.12946, section 4.1); the rest: NeMo's salm-xatt defaults.
    fusion: Literal["concat", "cross_attention"] = "concat"
    fusion_hidden_size: int | None = None
    fusion_num_layers: int = 2
    fusion_num_attention_heads: int = 8
    fusion_intermediate_size: int | None = None
    fusion_rotary: bool = False
    fusion_dropout: float = 0.0

    # Published: arXiv 2406.12946, section 4.1.
    lora_rank: int = 32
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: str | list[str] = "all-linear"

    freeze_encoder: bool = True
    self_contained: bool | None = None
    frozen_digest: str | None = None

    def validate_adapter(self) -> None:
        """
        Raises:
            ValueError: a conformer, whose convolutions each halve, cannot subsample by this factor.
        """
        factor = self.adapter_subsampling_factor
        if factor < 1 or (self.adapter_type == "conformer" and factor & (factor - 1)):
            raise ValueError(
                f"adapter_subsampling_factor={factor} must be a power of two for the adapter "
                "conformer, and 1 at least: take 1, 2, 4 or 8, or the adapter mlp"
            )

    @property
    def num_positions(self) -> int:
        """Tokens that the LLM can tell the places of."""
        return int(getattr(self.text_config, "max_position_embeddings", sys.maxsize))

    @property
    def fusion_width(self) -> int:
        """Of the cross-attention layers."""
        return self.fusion_hidden_size or int(self.text_config.hidden_size)

    @property
    def adapter_strides(self) -> Strides:
        """What shortens the encoder's frames inside the adapter."""
        factor = self.adapter_subsampling_factor
        if self.adapter_type == "conformer":
            return [(3, 2, 2)] * (factor.bit_length() - 1)
        return [(factor, factor, factor - 1)]
