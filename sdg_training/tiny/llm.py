"""The tiny LM: a Llama that writes, answers and judges questions about the tiny world."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sdg_training.tiny.batches import chunk
from sdg_training.tiny.checkpoint import save_half
from sdg_training.tiny.optimizer import Optimization
from sdg_training.tiny.progress import Progress
from sdg_training.tiny.tasks import Example, sample_any_example, sample_word_list
from sdg_training.tiny.tokenizer import train_tokenizer

IGNORED = -100
POOL = 4096  # examples, sorted by length so that a batch wastes little on padding
FRAMES_SHARE = 0.4  # of the answering tasks
MOST_BLANKS = 4  # after each token
MOST_REPEATS = 5  # of each token
MOST_NOISE = 0.5  # of an embedding's root mean square


@dataclass(frozen=True, slots=True)
class LLMSettings:
    steps: int = 4200
    lesson_steps: int = 200  # of copying, before the tasks
    batch_tokens: int = 3000
    learning_rate: float = 3e-3
    hidden_size: int = 160
    intermediate_size: int = 448
    layers: int = 4
    heads: int = 5
    max_positions: int = 2048


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """``labels`` are the tokens of the answers; ``noisy`` are those that stand for speech."""

    tokens: list[int]
    labels: list[int]
    noisy: slice


def train_llm(
    output: Path, seed: int, settings: LLMSettings = LLMSettings()
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Train and save model and tokenizer in the folder ``output``."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(seed)
    model = build_llm(tokenizer, settings)
    model.set_attn_implementation("eager")  # fused attention is slow backwards on a CPU
    optimization = Optimization(model, settings.learning_rate, settings.steps)
    rng = random.Random(seed)
    lesson = iterate_batches(rng, tokenizer, settings.batch_tokens, sample_word_list)
    tasks = iterate_batches(rng, tokenizer, settings.batch_tokens, sample_any_example)
    progress = Progress("llm", settings.steps)
    model.train()
    for step in range(1, settings.steps + 1):
        batch = next(lesson if step <= settings.lesson_steps else tasks)
        loss = compute_loss(model, batch, tokenizer.pad_token_id)
        optimization.step(loss)
        progress.report(step, loss=loss.item())
    model.eval()
    save_half(model, output)
    tokenizer.save_pretrained(output, save_jinja_files=False)
    return model, tokenizer


def build_llm(tokenizer: PreTrainedTokenizerFast, settings: LLMSettings) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.max_positions,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def iterate_batches(
    rng: random.Random,
    tokenizer: PreTrainedTokenizerFast,
    batch_tokens: int,
    sample: Callable[[random.Random], Example],
) -> Iterator[list[TokenizedExample]]:
    """Batches of like lengths, each of at most ``batch_tokens`` tokens with padding, for ever."""
    while True:
        pool = [tokenize(rng, sample(rng), tokenizer) for _ in range(POOL)]
        pool.sort(key=lambda example: len(example.tokens))
        batches = list(chunk(pool, lambda example: len(example.tokens), batch_tokens))
        rng.shuffle(batches)
        yield from batches


def tokenize(
    rng: random.Random, example: Example, tokenizer: PreTrainedTokenizerFast
) -> TokenizedExample:
    """The tokens of the chat, where a context may become a sequence like that of a CTC encoder.

    The encoder of a speech LM gives a frame every 80 ms: a token, the same again, or a blank. An LM
    that has seen contexts stretched in this way, the pad token for the blank, understands such
    frames once an adapter maps them to its embeddings.
    """
    chat = tokenizer.apply_chat_template(
        list(example.messages), add_generation_prompt=True, tokenize=False
    )
    prompt = list(tokenizer.encode(chat))
    noisy = slice(0, 0)
    is_uncased = example.context.startswith(" ")
    if example.task == "answer" and is_uncased and rng.random() < FRAMES_SHARE:
        start = 2  # <s><|user|>
        end = start + len(tokenizer.encode(example.context))
        frames = stretch(rng, prompt[start:end], tokenizer.pad_token_id)
        prompt = [*prompt[:start], *frames, *prompt[end:]]
        noisy = slice(start, start + len(frames))
    answer = [*tokenizer.encode(example.answer), tokenizer.eos_token_id]
    tokens, labels = prompt + answer, [IGNORED] * len(prompt) + answer
    for user, assistant in example.more:
        asked = list(tokenizer.encode(f"<|user|>{user}<|assistant|>"))
        answer = [*tokenizer.encode(assistant), tokenizer.eos_token_id]
        tokens, labels = tokens + asked + answer, labels + [IGNORED] * len(asked) + answer
    return TokenizedExample(tokens, labels, noisy)


def stretch(rng: random.Random, tokens: Sequence[int], blank: int) -> list[int]:
    """Repeat some of the tokens and put blanks between them, at a random rate."""
    most_blanks, most_repeats = rng.randint(0, MOST_BLANKS), rng.randint(1, MOST_REPEATS)
    frames: list[int] = [blank] * rng.randint(0, most_blanks)
    for token in tokens:
        frames += [token] * rng.randint(1, most_repeats)
        frames += [blank] * rng.randint(0, most_blanks)
    return frames


def compute_loss(model: LlamaForCausalLM, batch: Sequence[TokenizedExample], pad: int) -> Tensor:
    """Mean cross-entropy of the answers' tokens; an example weighs as the root of its length."""
    tokens, labels = _collate(batch, pad)
    embeddings = model.get_input_embeddings()(tokens)  # (batch, length, hidden)
    noise = torch.zeros_like(tokens, dtype=embeddings.dtype)
    for row, example in enumerate(batch):
        noise[row, example.noisy] = MOST_NOISE * torch.rand(())
    size = embeddings.detach().pow(2).mean().sqrt()
    embeddings = embeddings + noise.unsqueeze(-1) * size * torch.randn_like(embeddings)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(inputs_embeds=embeddings).last_hidden_state
        wanted = labels[:, 1:] != IGNORED
        logits = model.lm_head(hidden[:, :-1][wanted])
    targets = labels[:, 1:][wanted]
    losses = F.cross_entropy(logits.float(), targets, reduction="none")
    weights = wanted.sum(1, keepdim=True).rsqrt().expand_as(wanted)[wanted]
    return (losses * weights).sum() / weights.sum()


def _collate(batch: Sequence[TokenizedExample], pad: int) -> tuple[Tensor, Tensor]:
    """Padded on the right, where nothing that counts can attend to it: no mask is needed."""
    length = max(len(example.tokens) for example in batch)
    tokens = torch.full((len(batch), length), pad)
    labels = torch.full((len(batch), length), IGNORED)
    for row, example in enumerate(batch):
        end = len(example.tokens)
        tokens[row, :end] = torch.tensor(example.tokens)
        labels[row, :end] = torch.tensor(example.labels)
    return tokens, labels
