"""The few of Whisper's 51,865 tokens that the tiny world needs.

While training, only these have a row in the embedding and a place in the softmax. In the checkpoint
the others are there too, but can never win: the last feature of the decoder's output is always 1
(the final norm's weight is 0 there and its bias 1), and their rows are zero but for a large
negative number in that place.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer, get_tokenizer

from sdg_training.tiny.world import list_languages, load_language

VOCABULARY = 51_865  # of the multilingual models
TIMESTAMP_STEP = 0.02  # seconds
COARSE = 5  # the tiny model's timestamps are multiples of 0.1 s
LATEST = 12.0  # seconds
NEVER = -40.0  # the logit of a token that is not used


@dataclass(frozen=True, slots=True)
class UsedTokens:
    """``ids`` are Whisper's token ids, ascending; a compact id is a place in them."""

    ids: tuple[int, ...]
    compact: dict[int, int]

    def encode(self, tokens: Sequence[int]) -> list[int]:
        return [self.compact[token] for token in tokens]


@cache
def load_tokenizer(language: str) -> Tokenizer:
    return get_tokenizer(True, num_languages=99, language=language, task="transcribe")


@cache
def collect_used_tokens() -> UsedTokens:
    """The special tokens, the timestamps and whatever spells the world."""
    used: set[int] = set()
    for language in list_languages():
        tokenizer = load_tokenizer(language)
        used.update(tokenizer.sot_sequence)
        for text in _list_texts(language):
            used.update(tokenizer.encode(text))
    special = (
        tokenizer.eot, tokenizer.sot, tokenizer.transcribe, tokenizer.translate,
        tokenizer.no_speech, tokenizer.no_timestamps, tokenizer.sot_prev, tokenizer.sot_lm,
    )  # fmt: skip
    latest = round(LATEST / TIMESTAMP_STEP)
    timestamps = range(tokenizer.timestamp_begin, tokenizer.timestamp_begin + latest + 1, COARSE)
    ids = tuple(sorted(used.union(special, timestamps)))
    return UsedTokens(ids, {token: index for index, token in enumerate(ids)})


def _list_texts(language: str) -> Iterator[str]:
    """All that sentences are put together from; Whisper's tokens do not cross words."""
    table = load_language(language)
    for phrases in table.phrases.values():
        yield from (" " + phrase.text for phrase in phrases)
    for templates in table.domains.values():
        for template in templates:
            literals = (literal for literal, *_ in string.Formatter().parse(template.text))
            yield from filter(None, (literal.rstrip() for literal in literals))


def expand_embedding(compact: Tensor, used: UsedTokens) -> Tensor:
    """(used, state) to (51865, state); asks for a final norm whose last feature is 1."""
    full = torch.zeros(VOCABULARY, compact.shape[1])
    full[:, -1] = NEVER
    full[list(used.ids)] = compact
    return full
