"""The tiny LM's tokenizer: byte-fallback BPE, as Llama's, learnt from the world.

Any text of any script round-trips: what the merges do not know is spelled in bytes.
"""

import json
import random
from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from sdg_training.tiny.tasks import sample_example
from sdg_training.tiny.world import list_languages, load_language

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
SPECIAL = (PAD, BOS, EOS, *ROLES)
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
LEARNT_TOKENS = 2500
SAMPLES = 6000

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# A word with the space before it, a digit, or a run of punctuation.
_PIECE = Regex(r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s")


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Learn the merges from prompts and answers of the world."""
    learner = _build(models.BPE())
    trainer = BpeTrainer(vocab_size=LEARNT_TOKENS, min_frequency=3, show_progress=False)
    learner.train_from_iterator(_sample_texts(seed), trainer)
    learnt = json.loads(learner.to_str())["model"]
    tokens = dict.fromkeys([*SPECIAL, *BYTES, *learnt["vocab"]])
    model = models.BPE(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[tuple(merge) for merge in learnt["merges"]],
        byte_fallback=True,
    )
    tokenizer = _build(model)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _build(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_PIECE, behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def _sample_texts(seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for language in list_languages():
        yield from [load_language(language).refusal] * 20
        for _ in range(SAMPLES):
            example = sample_example(rng, language)
            yield example.messages[-1]["content"]
            yield example.answer
