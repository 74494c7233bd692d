"""The fusion of SALM-XATT: text embeddings that look at the speech before they enter the LLM.

BESTOW (arXiv 2406.19954, section 3.2); reference: NeMo's ``TransformerCrossAttention`` in
``nemo/collections/multimodal/speech_llm/modules/perception.py``. Each layer attends causally to the
text so far, then to the whole speech, then passes a feed-forward network as wide as itself; the
result is added to the text embeddings, so that the LLM's input stays as long as the text.

Letters in tensor shapes: B batch, L text tokens of this call, P of this call and those before,
S audio embeddings, H LLM width, F fusion width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.cache_utils import Cache, DynamicLayer

from sdg_training.salm.configuration_salm import SALMConfig

ROPE_BASE = 10_000
Turns = tuple[Tensor, Tensor]  # cosines and sines of rotary positions


class FusionAttention(nn.Module):
    """Multi-head attention; keys and values are a layer of the LLM's own cache.

    ``is_fused``: by torch's own kernels, or by plain matrix products, which on a CPU are faster
    backwards.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"fusion_num_attention_heads={heads} does not divide the width {width}"
            )
        self.heads, self.dropout, self.is_fused = heads, dropout, True
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def project(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of (B, S, F): (B, heads, S, F / heads) each."""
        return self._split(self.key(states)), self._split(self.value(states))

    def forward(
        self, states: Tensor, keys: Tensor, values: Tensor, mask: Tensor, turns: Turns | None
    ) -> Tensor:
        """(B, L, F), and a mask (B, 1, L or 1, keys), true where a query may look -> (B, L, F)"""
        attend = F.scaled_dot_product_attention if self.is_fused else attend_plainly
        attended = attend(
            rotate(self._split(self.query(states)), turns),
            keys,
            values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FusionLayer(nn.Module):
    """Causal self-attention, cross-attention to the speech, feed-forward; each normalised first."""

    def __init__(self, config: SALMConfig) -> None:
        super().__init__()
        width, dropout = config.fusion_width, config.fusion_dropout
        heads = config.fusion_num_attention_heads
        self.self_norm, self.cross_norm, self.mlp_norm = (nn.LayerNorm(width) for _ in range(3))
        self.self_attention = FusionAttention(width, heads, dropout)
        self.cross_attention = FusionAttention(width, heads, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.fusion_intermediate_size or width),
            nn.ReLU(),
            nn.Linear(config.fusion_intermediate_size or width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def project_speech(self, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of (B, S, F), for as many calls of this layer as there will be."""
        return self.cross_attention.project(speech)

    def forward(
        self,
        text: Tensor,
        speech: tuple[Tensor, Tensor],
        text_mask: Tensor,
        speech_mask: Tensor,
        turns: Turns | None,
        cache: DynamicLayer | None,
    ) -> Tensor:
        """(B, L, F) -> (B, L, F)"""
        normed = self.self_norm(text)
        keys, values = self.self_attention.project(normed)
        keys = rotate(keys, turns)
        if cache is not None:
            keys, values = cache.update(keys, values)
        text = text + self.dropout(self.self_attention(normed, keys, values, text_mask, turns))
        heard = self.cross_attention(self.cross_norm(text), *speech, speech_mask, None)
        text = text + self.dropout(heard)
        return text + self.dropout(self.mlp(self.mlp_norm(text)))


class CrossAttentionFusion(nn.Module):
    """Text embeddings with what they heard in the speech added to them.

    In generation, each layer's keys and values, of the text and of the speech, are kept as further
    layers of the LLM's cache: what reorders or repeats the one for beams does so for all.
    """

    def __init__(self, config: SALMConfig) -> None:
        super().__init__()
        width, llm_width = config.fusion_width, config.text_config.hidden_size
        self.text_projection = _projection(llm_width, width)
        self.speech_projection = _projection(llm_width, width)
        layers = [FusionLayer(config) for _ in range(config.fusion_num_layers)]
        self.layers: Sequence[FusionLayer] = nn.ModuleList(layers)  # type: ignore[assignment]
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, llm_width)
        nn.init.zeros_(self.output.weight)  # at first the LLM reads what it was pretrained on
        nn.init.zeros_(self.output.bias)
        self.rotated = width // config.fusion_num_attention_heads if config.fusion_rotary else 0
        if self.rotated % 2:
            raise ValueError(f"fusion_rotary needs an even width of each head, not {self.rotated}")
        self.first_cache_layer = config.text_config.num_hidden_layers

    def has_heard(self, cache: Cache | None) -> bool:
        """Whether ``cache`` holds the speech that an earlier call brought."""
        return cache is not None and len(cache.layers) > self.first_cache_layer

    def forward(
        self,
        text: Tensor,
        attention_mask: Tensor | None,
        speech: Tensor | None,
        speech_lengths: Tensor,
        cache: Cache | None = None,
    ) -> Tensor:
        """The LLM's input.

        Args:
            text: (B, L, H), embeddings of the tokens of this call.
            attention_mask: (B, P), 0 at padding, which may stand on either side.
            speech: (B, S, H), audio embeddings; none where ``cache`` holds them already.
            speech_lengths: (B,), how many of them are real.

        Returns:
            (B, L, H)
        """
        text_caches, speech_caches = self._open_cache(cache)
        if speech is not None:
            projected = self.speech_projection(speech)
            pairs: list[Any] = [layer.project_speech(projected) for layer in self.layers]
            for speech_cache, pair in zip(speech_caches, pairs, strict=False):
                speech_cache.update(*pair)
        else:
            pairs = [(each.keys, each.values) for each in speech_caches]
        text_mask = _causal_mask(text.shape[:2], attention_mask, text.device)
        speech_mask = mask_of_lengths(speech_lengths, pairs[0][0].shape[-2])[:, None, None]
        turns = find_turns(text_mask.shape[-2:], self.rotated, text.device)
        states = self.text_projection(text.to(self.output.weight.dtype))  # (B, L, F)
        for index, layer in enumerate(self.layers):
            text_cache = text_caches[index] if text_caches else None
            states = layer(states, pairs[index], text_mask, speech_mask, turns, text_cache)
        return text + self.output(self.norm(states)).to(text.dtype)

    def _open_cache(self, cache: Cache | None) -> tuple[list[DynamicLayer], list[DynamicLayer]]:
        """This fusion's layers of the cache: those of the text, and those of the speech."""
        if cache is None:
            return [], []
        count, first = len(self.layers), self.first_cache_layer
        if len(cache.layers) <= first:
            cache.layers += [DynamicLayer() for _ in range(first - len(cache.layers) + 2 * count)]
        own: list[Any] = cache.layers[first : first + 2 * count]
        return own[:count], own[count:]


def attend_plainly(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, dropout_p: float
) -> Tensor:
    """As torch's function of fused attention, for masks that leave something to look at."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    shares = scores.masked_fill(~attn_mask, -torch.inf).softmax(-1, dtype=torch.float32)
    return F.dropout(shares.to(value.dtype), dropout_p) @ value


def find_turns(
    shape: tuple[int, int] | torch.Size, width: int, device: torch.device
) -> Turns | None:
    """By how much the last L of P tokens turn (arXiv 2104.09864), twice (L, width / 2); none for a
    width of 0.
    """
    if not width:
        return None
    length, total = shape
    place = torch.arange(total - length, total, device=device)
    angles = place[:, None] * ROPE_BASE ** -(torch.arange(0, width, 2, device=device) / width)
    return angles.cos(), angles.sin()


def rotate(states: Tensor, turns: Turns | None) -> Tensor:
    """(B, heads, L, width), each pair of features turned."""
    if turns is None:
        return states
    cos, sin = (each.to(states.dtype) for each in turns)
    first, second = states.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def mask_of_lengths(lengths: Tensor, width: int) -> Tensor:
    """(B,) -> (B, width), true up to each length"""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def _projection(width: int, to: int) -> nn.Module:
    return nn.Identity() if width == to else nn.Linear(width, to)


def _causal_mask(
    shape: tuple[int, int] | torch.Size, attention_mask: Tensor | None, device: torch.device
) -> Tensor:
    """(B, 1, L, P), true where a token may look: at itself, and at real tokens before it."""
    batch, length = shape
    if attention_mask is None:
        attention_mask = torch.ones(batch, length, device=device)
    total = attention_mask.shape[1]
    place = torch.arange(total, device=device)
    own = place[total - length :, None]  # (L, 1)
    real = attention_mask.bool()[:, None, None]  # (B, 1, 1, P)
    return (real & (place <= own)) | (place == own)  # a padding token looks at itself: no NaN
