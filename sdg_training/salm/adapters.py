"""Modality adapters: from the speech encoder's frames to as many audio embeddings, or fewer.

Letters in tensor shapes: B batch, T encoder frames, S audio embeddings, D encoder width,
A adapter width.
"""

from torch import Tensor, nn
from transformers import ParakeetEncoder, ParakeetEncoderConfig

from sdg_training.salm.configuration_salm import SALMConfig


class FrameProjection(nn.Linear):
    """The place of Parakeet's convolutions where nothing is to be subsampled."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return super().forward(hidden_states)


class ConformerAdapter(nn.Module):
    """Conformer layers over the encoder's frames (2310.09424, section 3.1).

    Parakeet's encoder reads the frames in place of a spectrogram, as NeMo's ConformerEncoder does.
    """

    def __init__(self, config: SALMConfig) -> None:
        super().__init__()
        width, factor = config.encoder_config.hidden_size, config.adapter_subsampling_factor
        self.conformer = ParakeetEncoder(
            ParakeetEncoderConfig(
                num_mel_bins=width,
                subsampling_factor=max(factor, 2),  # without convolutions it cannot be built
                hidden_size=config.adapter_hidden_size,
                num_hidden_layers=config.adapter_num_layers,
                num_attention_heads=config.adapter_num_attention_heads,
                intermediate_size=config.adapter_intermediate_size,
                conv_kernel_size=config.adapter_conv_kernel_size,
                dropout=config.adapter_dropout,
                activation_dropout=config.adapter_dropout,
                attention_dropout=config.adapter_dropout,
                layerdrop=0.0,
            )
        )
        if factor == 1:
            self.conformer.config.subsampling_factor = 1
            projection = FrameProjection(width, config.adapter_hidden_size)
            self.conformer.subsampling = projection  # type: ignore[assignment]

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, S, A)"""
        states = states * mask[..., None]  # the convolutions look beyond the last frame
        return self.conformer(states, attention_mask=mask).last_hidden_state


class MLPAdapter(nn.Module):
    """Neighbouring frames side by side, through one hidden layer."""

    def __init__(self, config: SALMConfig) -> None:
        super().__init__()
        self.factor = config.adapter_subsampling_factor
        self.norm = nn.LayerNorm(config.encoder_config.hidden_size)
        stacked = config.encoder_config.hidden_size * self.factor
        self.hidden = nn.Linear(stacked, config.adapter_hidden_size)
        self.dropout = nn.Dropout(config.adapter_dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, S, A)"""
        states = self.norm(states) * mask[..., None]
        states = nn.functional.pad(states, (0, 0, 0, -states.shape[1] % self.factor))
        states = states.unflatten(1, (-1, self.factor)).flatten(2)  # (B, S, D * factor)
        return self.dropout(nn.functional.gelu(self.hidden(states)))


ADAPTERS = {"conformer": ConformerAdapter, "mlp": MLPAdapter}
