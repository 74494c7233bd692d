"""Small random models, a tokenizer, recordings and tables of examples for tests."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    ParakeetEncoder,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

# What eight recordings are called; in several scripts.
ANSWERS = ["red", "grün", "मछली", "北京", "سوق", "blue bird", "eins", "two"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, so that it speaks every language; padding is the end token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: id_ for id_, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="</s>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
    )


def letter_tokenizer(unknown: str = "<unk>") -> PreTrainedTokenizerFast:
    """One token per letter of ASCII; ``unknown`` is the token of all others."""
    letters = {chr(code): code - 32 for code in range(32, 127)}
    tokenizer = Tokenizer(models.BPE(letters | {unknown: 95}, [], unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\n", "removed")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=unknown,
        eos_token="</s>",
        pad_token="</s>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
    )


def save_llm(kind: type[PreTrainedConfig], folder: Path) -> Path:
    """A random LLM of that family with its tokenizer and its chat template, in ``folder``."""
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = kind(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def build_parakeet() -> tuple[ParakeetEncoder, ParakeetFeatureExtractor]:
    """A random FastConformer and its feature extractor: 40 ms per frame."""
    config = ParakeetEncoderConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        subsampling_factor=4,
        subsampling_conv_channels=8,
        num_mel_bins=40,
        initializer_range=0.2,
    )
    return ParakeetEncoder(config), ParakeetFeatureExtractor(feature_size=40)


def noise(seconds: float, seed: int) -> NDArray[np.float32]:
    """A recording like no other: noise in a band of its own, at 16 kHz."""
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft(generator.normal(size=int(seconds * 16_000)))
    frequencies = np.linspace(0, 8_000, len(spectrum))
    spectrum[np.abs(frequencies - generator.uniform(300, 7_000)) > 300] *= 0.05
    samples = np.fft.irfft(spectrum, int(seconds * 16_000))
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def encode_flac(samples: NDArray[np.float32], rate: int = 16_000) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def write_examples(
    folder: Path, recordings: Sequence[bytes], rows: Sequence[Mapping[str, Any]]
) -> pa.Table:
    """A tar shard of ``recordings`` under ``folder``, and the table of examples about them.

    Args:
        rows: what differs from the defaults; ``recording`` is the recording's index.
    """
    places = []
    with tarfile.open(folder / "shard.tar", "w") as archive:
        for index, content in enumerate(recordings):
            member = tarfile.TarInfo(f"{index}.flac")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
            places.append((archive.offset - -len(content) // 512 * -512, len(content)))
    return pa.Table.from_pylist([fill_row(number, row, places) for number, row in enumerate(rows)])


def fill_row(
    number: int, row: Mapping[str, Any], places: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    row = dict(row)
    offset, length = places[row.pop("recording", number)]
    return {
        "example_id": f"example-{number}",
        "method": "tts",
        "source_corpus": "toy",
        "source_language": "en",
        "speaker": f"voice-{number % 2}",
        "context": "nothing is said",
        "question": "what is said?",
        "answer": "nothing",
        "shard": "shard.tar",
        "byte_offset": offset,
        "byte_length": length,
        "duration": 1.0,
        **row,
    }


def write_toys(folder: Path, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Examples about recordings of 0.5, 1.0, 1.5 ... seconds."""
    recordings = [encode_flac(noise(0.5 * (index + 1), index)) for index in range(len(rows))]
    durations = [{"duration": 0.5 * (index + 1)} | dict(row) for index, row in enumerate(rows)]
    return write_examples(folder, recordings, durations)
