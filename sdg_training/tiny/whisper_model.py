"""The tiny Whisper: a checkpoint in openai-whisper's own format that hears the tiny world.

The encoder also learns to tell the token that eSpeak says in each frame, without which the decoder
takes long to attend to the right place. Babble and noise teach it to be unsure of what is not the
world's speech, and to tell silence.
"""

import io
import math
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from whisper.audio import N_SAMPLES, log_mel_spectrogram
from whisper.model import ModelDimensions, MultiHeadAttention, Whisper
from whisper.tokenizer import Tokenizer

from sdg_training.tiny.batches import iterate_pools
from sdg_training.tiny.optimizer import Optimization
from sdg_training.tiny.progress import Progress
from sdg_training.tiny.speech import (
    SAMPLE_RATE,
    Heard,
    Utterance,
    augment,
    label_frames,
    make_noise,
)
from sdg_training.tiny.whisper_tokens import (
    COARSE,
    TIMESTAMP_STEP,
    VOCABULARY,
    UsedTokens,
    collect_used_tokens,
    expand_embedding,
    load_tokenizer,
)

IGNORED = -100
FRAME = 320  # samples of a position of the encoder (20 ms)
MARGIN = 0.4  # seconds of silence that a window has after its longest speech
TIMED_SHARE = 0.6
SILENT_SHARE = 0.06
SILENT_POSITIONS = 64  # of the encoder, that stand for all those after a window
FRAMEWISE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    steps: int = 2200
    padded_steps: int = 60
    batch: int = 16
    padded_batch: int = 12
    learning_rate: float = 2e-3
    padded_learning_rate: float = 4e-4
    state: int = 128
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2
    text_context: int = 192


class TrainingWhisper(nn.Module):
    """A Whisper of the used tokens alone, with a head that tells the token of each frame.

    Whisper hears 30 seconds, most of them silence here. Training on windows as long as the speech
    is several times cheaper, but leaves a model that silence distracts. So a window is followed by
    a few of the silent positions that Whisper would have after it, at random places, and attention
    counts each as often as makes up for the others.
    """

    def __init__(self, used: UsedTokens, settings: WhisperSettings) -> None:
        super().__init__()
        self.used = used
        self.whisper = Whisper(replace(_dimensions(settings), n_vocab=len(used.ids)))
        nn.init.normal_(self.whisper.decoder.positional_embedding, std=0.02)
        nn.init.normal_(self.whisper.decoder.token_embedding.weight, std=0.05)
        self.frame_head = nn.Linear(settings.state, len(used.ids))
        self.fix_last_feature()

    @torch.no_grad()
    def fix_last_feature(self) -> None:
        """Keep the last feature of the decoder's output at 1."""
        self.whisper.decoder.ln.weight[-1] = 0
        self.whisper.decoder.ln.bias[-1] = 1

    def forward(self, mel: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the decoder, and of the window's frames.

        ``mel``: (batch, 80, 2 × positions), silent at its end; ``tokens``: (batch, length).
        """
        encoder, decoder = self.whisper.encoder, self.whisper.decoder
        window = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        positions = window.shape[1]
        places, weight = _sample_places(positions, len(encoder.positional_embedding))
        silence = window[:, -2:-1].expand(-1, len(places) - positions, -1)
        heard = torch.cat([window, silence], 1) + encoder.positional_embedding[places]
        for block in encoder.blocks:
            normed = block.attn_ln(heard)
            heard = heard + _attend(block.attn, normed, normed, weight)
            heard = heard + block.mlp(block.mlp_ln(heard))
        heard = encoder.ln_post(heard)
        said = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
        for block in decoder.blocks:
            said = said + block.attn(block.attn_ln(said), mask=decoder.mask)[0]
            said = said + _attend(block.cross_attn, block.cross_attn_ln(said), heard, weight)
            said = said + block.mlp(block.mlp_ln(said))
        logits = decoder.ln(said) @ decoder.token_embedding.weight.T
        return logits.float(), self.frame_head(heard[:, :positions]).float()


def _sample_places(positions: int, context: int) -> tuple[Tensor, Tensor]:
    """The window's places and those of some silent positions, and log weights for attention."""
    silent = torch.randperm(context - positions)[:SILENT_POSITIONS] + positions
    places = torch.cat([torch.arange(positions), silent])
    weight = torch.zeros(len(places))
    weight[positions:] = math.log(max(1, context - positions) / max(1, len(silent)))
    return places, weight


def _attend(attention: MultiHeadAttention, x: Tensor, xa: Tensor, weight: Tensor) -> Tensor:
    """Whisper's attention of ``x`` to ``xa``, with a log weight for each position of ``xa``."""
    query, key, value = (
        projected.unflatten(-1, (attention.n_head, -1)).transpose(1, 2)
        for projected in (attention.query(x), attention.key(xa), attention.value(xa))
    )
    mask = weight.to(query.dtype).expand(query.shape[-2], -1)
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attention.out(out.transpose(1, 2).flatten(2))


def train_whisper(
    output: Path,
    utterances: Sequence[Utterance],
    seed: int,
    settings: WhisperSettings = WhisperSettings(),
) -> None:
    """Train and save the checkpoint as the file ``output``."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = TrainingWhisper(collect_used_tokens(), settings)
    model.train()
    _run(
        "whisper", model, rng, _iterate(rng, utterances, settings.batch), settings.steps,
        settings.learning_rate, None,
    )  # fmt: skip
    _run(
        "whisper, 30 s", model, rng, _iterate(rng, utterances, settings.padded_batch),
        settings.padded_steps, settings.padded_learning_rate, N_SAMPLES,
    )  # fmt: skip
    save_whisper(model, output, settings)


def save_whisper(model: TrainingWhisper, output: Path, settings: WhisperSettings) -> None:
    """Write what ``whisper.load_model`` reads, in float16, compressed.

    ``torch.save`` only stores, and most of the file is the rows of unused tokens.
    """
    state = {name: value.half() for name, value in model.whisper.state_dict().items()}
    embedding = model.whisper.decoder.token_embedding.weight
    state["decoder.token_embedding.weight"] = expand_embedding(
        embedding.detach(), model.used
    ).half()
    buffer = io.BytesIO()
    torch.save({"dims": asdict(_dimensions(settings)), "model_state_dict": state}, buffer)
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(buffer) as stored,
        zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as compressed,
    ):
        for entry in stored.infolist():
            plain = zipfile.ZipInfo(entry.filename)
            compressed.writestr(plain, stored.read(entry), zipfile.ZIP_DEFLATED)


def compute_loss(
    model: TrainingWhisper, rng: random.Random, batch: Sequence[Heard], window: int
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the decoder, and of what the encoder's frames say, in so many samples."""
    mel = torch.stack([compute_mel(heard.audio, window) for heard in batch])
    tokens, labels = _collate([write_sequence(rng, model.used, heard) for heard in batch])
    frame_labels = torch.tensor([_label_frames(model.used, h, window // FRAME) for h in batch])
    with torch.autocast("cpu", torch.bfloat16):
        logits, frame_logits = model(mel, tokens)
    said = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    framewise = F.cross_entropy(
        frame_logits.flatten(0, 1), frame_labels.flatten(), ignore_index=IGNORED
    )
    return said, framewise.nan_to_num()  # a batch of babble has no label


def compute_mel(audio: NDArray[np.float32], window: int) -> Tensor:
    """Whisper's features of ``audio`` with silence up to ``window`` samples."""
    return log_mel_spectrogram(torch.from_numpy(audio), padding=window - len(audio))[
        :, : window // (FRAME // 2)
    ]


def _run(
    name: str,
    model: TrainingWhisper,
    rng: random.Random,
    batches: Iterator[list[Heard]],
    steps: int,
    learning_rate: float,
    window: int | None,
) -> None:
    optimization = Optimization(model, learning_rate, steps)
    progress = Progress(name, steps)
    for step in range(1, steps + 1):
        batch = next(batches)
        said, framewise = compute_loss(model, rng, batch, window or _fitting_window(batch))
        optimization.step(said + FRAMEWISE_WEIGHT * framewise)
        model.fix_last_feature()
        progress.report(step, loss=said.item(), framewise=framewise.item())


def _fitting_window(batch: Sequence[Heard]) -> int:
    longest = max(len(heard.audio) for heard in batch)
    return (longest + int(MARGIN * SAMPLE_RATE)) // FRAME * FRAME


def _iterate(
    rng: random.Random, utterances: Sequence[Utterance], size: int
) -> Iterator[list[Heard]]:
    """Batches of like lengths, augmented, for ever."""
    while True:
        for pool in iterate_pools(rng, utterances):
            batches = [pool[i : i + size] for i in range(0, len(pool), size)]
            rng.shuffle(batches)
            for batch in batches:
                yield [_hear(rng, utterance) for utterance in batch]


def _hear(rng: random.Random, utterance: Utterance) -> Heard:
    if rng.random() < SILENT_SHARE:
        noise = make_noise(rng, len(utterance.audio), 10 ** rng.uniform(-5, -1.5))
        return Heard(noise, "", utterance.language, ())
    return augment(rng, utterance)


def _collate(sequences: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    length = max(len(inputs) for inputs, _ in sequences)
    tokens = torch.zeros((len(sequences), length), dtype=torch.long)
    labels = torch.full((len(sequences), length), IGNORED)
    for row, (inputs, targets) in enumerate(sequences):
        tokens[row, : len(inputs)] = torch.tensor(inputs)
        labels[row, : len(targets)] = torch.tensor(targets)
    return tokens, labels


def write_sequence(
    rng: random.Random, used: UsedTokens, heard: Heard
) -> tuple[list[int], list[int]]:
    """What the decoder reads, and what it is to say after each token, in compact ids.

    Whether there is speech, and its language, is said after the start token.
    """
    tokenizer = load_tokenizer(heard.language)
    start = list(tokenizer.sot_sequence)
    is_timed = rng.random() < TIMED_SHARE
    if not heard.text:
        mode = tokenizer.timestamp_begin if is_timed else tokenizer.no_timestamps
        inputs = [*start, mode]
        return used.encode(inputs), used.encode([tokenizer.no_speech, *inputs[2:], tokenizer.eot])
    text = tokenizer.encode(" " + heard.text)
    if is_timed:
        first, last = (_timestamp(tokenizer, seconds) for seconds in _locate_speech(heard))
        tokens = [*start, first, *text, last, tokenizer.eot]
    else:
        tokens = [*start, tokenizer.no_timestamps, *text, tokenizer.eot]
    return used.encode(tokens[:-1]), used.encode(tokens[1:])


def _locate_speech(heard: Heard) -> tuple[float, float]:
    if not heard.words:
        return 0.0, len(heard.audio) / SAMPLE_RATE
    return heard.words[0][0], heard.words[-1][1]


def _label_frames(used: UsedTokens, heard: Heard, frames: int) -> list[int]:
    if heard.text and not heard.words:
        return [IGNORED] * frames
    tokenizer = load_tokenizer(heard.language)
    words = [used.encode(tokenizer.encode(" " + word)) for word in heard.text.split()]
    blank = used.compact[tokenizer.no_speech]
    return label_frames(heard.words, words, frames, FRAME / SAMPLE_RATE, blank)


def _timestamp(tokenizer: Tokenizer, seconds: float) -> int:
    return tokenizer.timestamp_begin + round(seconds / TIMESTAMP_STEP / COARSE) * COARSE


def _dimensions(settings: WhisperSettings) -> ModelDimensions:
    return ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=settings.state,
        n_audio_head=settings.heads,
        n_audio_layer=settings.encoder_layers,
        n_vocab=VOCABULARY,
        n_text_ctx=settings.text_context,
        n_text_state=settings.state,
        n_text_head=settings.heads,
        n_text_layer=settings.decoder_layers,
    )
