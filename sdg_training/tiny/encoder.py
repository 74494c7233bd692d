"""The tiny speech encoder: a FastConformer trained with CTC on the LM's own tokens.

A frame (12.5 a second) tells its token twice: to the CTC head, and by being like the LM's embedding
of that token. That makes the work of a speech LM's adapter light: one linear map for all tokens, so
that those it never met in training are mapped with the others. The pad token is the blank.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    ParakeetCTCConfig,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    PreTrainedTokenizerFast,
)

from sdg_training.tiny.batches import chunk, iterate_pools
from sdg_training.tiny.checkpoint import save_half
from sdg_training.tiny.noise import strip_casing
from sdg_training.tiny.optimizer import Optimization
from sdg_training.tiny.progress import Progress
from sdg_training.tiny.speech import SAMPLE_RATE, Heard, Utterance, augment, label_frames

FRAME_SECONDS = 0.08
SHARPNESS = 20.0  # at first: the logit of a frame that is just a typical token's embedding


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    steps: int = 1200
    batch_seconds: float = 100.0
    learning_rate: float = 2e-3
    layers: int = 4
    heads: int = 4
    subsampling_channels: int = 32
    dropout: float = 0.0
    likeness_weight: float = 1.0  # of the squared distance between a frame and its token


def train_encoder(
    output: Path,
    tokenizer: PreTrainedTokenizerFast,
    embeddings: Tensor,
    utterances: Sequence[Utterance],
    seed: int,
    settings: EncoderSettings = EncoderSettings(),
) -> tuple[ParakeetForCTC, ParakeetFeatureExtractor]:
    """Train and save model and feature extractor in the folder ``output``.

    ``embeddings``: (vocabulary, width) of the LM; the encoder is as wide.
    """
    torch.manual_seed(seed)
    extractor = ParakeetFeatureExtractor()
    model = build_encoder(tokenizer, embeddings.shape[1], settings)
    pointing = PointingHead(embeddings)
    optimization = Optimization(
        nn.ModuleDict({"model": model, "pointing_head": pointing}),
        settings.learning_rate,
        settings.steps,
    )
    rng = random.Random(seed)
    batches = iterate_batches(rng, utterances, settings.batch_seconds)
    progress = Progress("encoder", settings.steps)
    model.train()
    for step in range(1, settings.steps + 1):
        batch = next(batches)
        heard = [augment(rng, utterance) for utterance in batch]
        losses = compute_losses(model, pointing, extractor, tokenizer, heard)
        optimization.step(losses.said + losses.pointed + settings.likeness_weight * losses.distance)
        progress.report(
            step,
            loss=losses.said.item(),
            pointed=losses.pointed.item(),
            distance=losses.distance.item(),
        )
    model.eval()
    save_half(model, output)
    extractor.save_pretrained(output)
    return model, extractor


def build_encoder(
    tokenizer: PreTrainedTokenizerFast, width: int, settings: EncoderSettings
) -> ParakeetForCTC:
    config = ParakeetEncoderConfig(
        hidden_size=width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * width,
        subsampling_conv_channels=settings.subsampling_channels,
        dropout=settings.dropout,
        activation_dropout=settings.dropout,
        attention_dropout=settings.dropout,
        layerdrop=0.0,
        max_position_embeddings=1500,
    )
    return ParakeetForCTC(
        ParakeetCTCConfig(
            vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, encoder_config=config
        )
    )


class PointingHead(nn.Module):
    """Logits of each token by how far a frame points to its embedding; only for training."""

    points: Tensor

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        centred = embeddings - embeddings.mean(0)
        points = centred / centred.pow(2).mean().sqrt()  # as large as what a layer norm gives
        self.register_buffer("points", points)
        self.scale = nn.Parameter(torch.tensor(SHARPNESS / points.shape[1]))
        self.bias = nn.Parameter(-SHARPNESS / 2 * points.pow(2).mean(1))

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, frames, vocabulary)"""
        return self.scale * (frames @ self.points.T) + self.bias


def iterate_batches(
    rng: random.Random, utterances: Sequence[Utterance], batch_seconds: float
) -> Iterator[list[Utterance]]:
    """Batches of like lengths, of at most ``batch_seconds`` with padding, for ever."""
    budget = batch_seconds * SAMPLE_RATE
    while True:
        for pool in iterate_pools(rng, utterances):
            batches = list(chunk(pool, lambda u: len(u.audio), budget))
            rng.shuffle(batches)
            yield from batches


@dataclass(frozen=True, slots=True)
class Losses:
    """``said``: of the CTC head, CTC per token and cross-entropy per frame of what eSpeak says in
    it (CTC alone takes several times as long to find the alignment that eSpeak knows); ``pointed``:
    the latter of the pointing head; ``distance``: squared, of a frame to its token's point.
    """

    said: Tensor
    pointed: Tensor
    distance: Tensor


def compute_losses(
    model: ParakeetForCTC,
    pointing: PointingHead,
    extractor: ParakeetFeatureExtractor,
    tokenizer: PreTrainedTokenizerFast,
    batch: Sequence[Heard],
) -> Losses:
    audio = [heard.audio for heard in batch]
    inputs = extractor(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    tokens = [_tokenize_words(tokenizer, heard.text) for heard in batch]
    with torch.autocast("cpu", torch.bfloat16):
        encoded = model.encoder(**inputs)
        logits = model.ctc_head(encoded.last_hidden_state)
        pointed = pointing(encoded.last_hidden_state)
    log_probs = logits.float().log_softmax(-1)  # (batch, frames, vocabulary)
    lengths = encoded.attention_mask.sum(-1)
    said = [[token for word in words for token in word] for words in tokens]
    blank = tokenizer.pad_token_id
    ctc = F.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor([token for sentence in said for token in sentence]),
        lengths,
        torch.tensor([len(sentence) for sentence in said]),
        blank=blank,
        zero_infinity=True,
    )
    labels = [
        label_frames(heard.words, words, log_probs.shape[1], FRAME_SECONDS, blank)
        for heard, words in zip(batch, tokens, strict=True)
    ]
    targets = torch.tensor(labels)  # (batch, frames)
    framewise = F.nll_loss(log_probs.flatten(0, 1), targets.flatten())
    distances = (encoded.last_hidden_state.float() - pointing.points[targets]).pow(2).mean(-1)
    return Losses(
        said=ctc + framewise,
        pointed=F.cross_entropy(pointed.float().flatten(0, 1), targets.flatten()),
        distance=distances[encoded.attention_mask.bool()].mean(),
    )


def _tokenize_words(tokenizer: PreTrainedTokenizerFast, text: str) -> list[list[int]]:
    return [list(tokenizer.encode(strip_casing(word))) for word in text.split()]
