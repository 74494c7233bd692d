"""From recordings and questions to the model's inputs, and back to text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import (
    AutoFeatureExtractor,
    AutoTokenizer,
    BatchFeature,
    FeatureExtractionMixin,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    WhisperFeatureExtractor,
)

from sdg_training.salm.configuration_salm import (
    SALMConfig,
    Strides,
    encoder_strides,
    subsampled_length,
)

Waveform = NDArray[np.float32]  # (samples,) mono, -1..1

AUDIO_TOKEN = "<|audio|>"
USER_MESSAGE = "{audio}\n{question}"


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Tokens before and after the audio embeddings, and the answer up to its end token."""

    before: list[int]
    after: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.before) + len(self.after) + len(self.answer)


# For templates that would else think aloud (Qwen3), or tell the date (Llama 3), which makes another
# prompt of it every day.
TEMPLATE_VARIABLES = {"enable_thinking": False, "date_string": "26 Jul 2024"}


class SALMProcessor(ProcessorMixin):
    r"""Feature extractor and tokenizer in one.

    A placeholder marks where a recording stands in its prompt. Called with prompts and recordings,
    the processor repeats each placeholder once per audio embedding and pads on the left, so that
    the batch is ready for `generate`.

    Args:
        encoder_strides: what shortens feature frames (or samples) to encoder states.
        adapter_strides: what shortens encoder states to audio embeddings.
        fusion: where the audio embeddings go: `concat` into the prompt; `cross_attention` beside
            it, so that nothing stands at the placeholder.
        audio_token: the placeholder; it is added to the tokenizer.
        user_message: the user's message, with `{audio}` and `{question}`.
    """

    text_kwargs = {  # noqa: RUF012
        "padding": True,
        "padding_side": "left",
        "add_special_tokens": False,  # the chat template has put them in already
    }

    def __init__(
        self,
        feature_extractor: FeatureExtractionMixin,
        tokenizer: PreTrainedTokenizerBase,
        encoder_strides: Strides,
        adapter_strides: Strides,
        fusion: str = "concat",
        audio_token: str = AUDIO_TOKEN,
        user_message: str = USER_MESSAGE,
        chat_template: str | None = None,
    ) -> None:
        tokenizer.add_special_tokens(
            {"additional_special_tokens": [audio_token]},
            replace_extra_special_tokens=False,  # an answer may end with one of them
        )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.encoder_strides = encoder_strides
        self.adapter_strides = adapter_strides
        self.fusion = fusion
        self.audio_token = audio_token
        self.audio_token_id: Any = tokenizer.convert_tokens_to_ids(audio_token)
        self.user_message = user_message
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)

    @classmethod
    def from_encoder_llm_pretrained(
        cls, encoder: str | Path, llm: str | Path, config: SALMConfig, **kwargs: Any
    ) -> "SALMProcessor":
        """The encoder's feature extractor with the LLM's tokenizer, for a model of ``config``."""
        return cls(
            AutoFeatureExtractor.from_pretrained(encoder),
            AutoTokenizer.from_pretrained(llm),
            encoder_strides(config.encoder_config),
            config.adapter_strides,
            config.fusion,
            **kwargs,
        )

    @property
    def sampling_rate(self) -> int:
        return self.feature_extractor.sampling_rate

    @property
    def pad_token_id(self) -> int:
        return self.tokenizer.pad_token_id

    @property
    def end_token_id(self) -> int:
        """What an answer ends with, which may not be the tokenizer's end-of-text token."""
        return self.encode_text("?", "!").answer[-1]

    @property
    def max_seconds(self) -> float:
        """The longest recording that the encoder takes whole."""
        return float(getattr(self.feature_extractor, "chunk_length", inf))

    @cached_property
    def template_tokens(self) -> int:
        """Tokens that the chat template adds to a question and an answer."""
        bare = self.tokenizer(["?", "!"], add_special_tokens=False)["input_ids"]
        return len(self.encode_text("?", "!", context="")) - sum(map(len, bare))

    @cached_property
    def audio_tokens_per_second(self) -> float:
        """Audio embeddings that a second becomes."""
        seconds = min(4.0, self.max_seconds)
        silence = np.zeros(int(seconds * self.sampling_rate), np.float32)
        frames = int(self.extract_features([silence])["input_features_mask"].sum())
        return float(self.count_audio_tokens(self.count_states(frames)) / seconds)

    def build_prompt(self, question: str, context: str | None = None) -> str:
        """The chat up to where the answer begins.

        Args:
            context: text (it may be empty) that stands in the audio's stead.

        Raises:
            ValueError: question or context hold the audio placeholder.
        """
        if self.audio_token in question or self.audio_token in (context or ""):
            raise ValueError(f"question or context hold the audio placeholder {self.audio_token!r}")
        heard = self.audio_token if context is None else context
        return self.tokenizer.apply_chat_template(
            [self._user_turn(question, heard)],
            tokenize=False,
            add_generation_prompt=True,
            **TEMPLATE_VARIABLES,
        )

    def build_answer(self, answer: str) -> str:
        """What follows the prompt: the answer and the end of the assistant's turn.

        Raises:
            ValueError: the chat template does not put the answer at the end.
        """
        prompt = self.build_prompt("")
        turns = [self._user_turn("", self.audio_token), {"role": "assistant", "content": answer}]
        chat = self.tokenizer.apply_chat_template(turns, tokenize=False, **TEMPLATE_VARIABLES)
        if not chat.startswith(prompt):
            raise ValueError(
                "the tokenizer's chat template does not continue its own generation prompt "
                f"with the answer: {prompt!r} does not begin {chat!r}"
            )
        return chat[len(prompt) :].rstrip()

    def encode_text(self, question: str, answer: str, context: str | None = None) -> EncodedText:
        """The tokens of one training example: around its recording, or with ``context`` for it."""
        prompt = self.tokenizer.encode(
            self.build_prompt(question, context), add_special_tokens=False
        )
        place = prompt.index(self.audio_token_id) if context is None else len(prompt)
        ids = self.tokenizer.encode(self.build_answer(answer), add_special_tokens=False)
        if not ids or ids[-1] not in self.tokenizer.all_special_ids:
            ids.append(int(self.tokenizer.eos_token_id))
        return EncodedText(prompt[:place], prompt[place + 1 :], ids)

    def find_unknown(self, question: str, context: str | None = None) -> str | None:
        """Which of the texts the tokenizer has no token for half or more of, as in a script that it
        does not know."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None:  # it has a token for every byte
            return None
        for name, text in (("question", question), ("context", context or "")):
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            if 2 * ids.count(unknown) >= len(ids) > 0:
                return f"most of the {name} {text[:80]!r}"
        return None

    def extract_features(self, audio: Sequence[Waveform]) -> BatchFeature:
        """Batched features of recordings at the feature extractor's sampling rate.

        Returns:
            ``input_features``: (batch, frames, bins), (batch, bins, frames) or (batch, samples),
            as the encoder wants it; ``input_features_mask``: (batch, frames or samples).

        Raises:
            ValueError: a recording is longer than ``max_seconds``.
        """
        longest = max(len(samples) for samples in audio) / self.sampling_rate
        if longest > self.max_seconds:
            raise ValueError(
                f"a recording of {longest:.1f} s is longer than the encoder's {self.max_seconds} s"
            )
        features = self.feature_extractor(
            list(audio),
            sampling_rate=self.sampling_rate,
            padding=self._padding,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return BatchFeature(
            {
                "input_features": features[self.feature_extractor.model_input_names[0]],
                "input_features_mask": features["attention_mask"],
            }
        )

    def count_states(self, num_frames: Any) -> Any:
        """Encoder states of so many feature frames (an int, or a tensor of them)."""
        return subsampled_length(num_frames, self.encoder_strides)

    def count_audio_tokens(self, num_states: Any) -> Any:
        """Audio embeddings of so many encoder states (an int, or a tensor of them)."""
        return subsampled_length(num_states, self.adapter_strides)

    def count_placeholders(self, num_audio_tokens: int) -> int:
        """Tokens of the prompt that stand for a recording of so many audio embeddings."""
        return num_audio_tokens if self.fusion == "concat" else 0

    def replace_audio_token(self, audio_inputs: Any, audio_idx: int, **kwargs: Any) -> str:
        num_frames = int(audio_inputs["input_features_mask"][audio_idx].sum())
        return self.audio_token * self.count_placeholders(
            self.count_audio_tokens(self.count_states(num_frames))
        )

    def _process_audio(self, audio: Any, **kwargs: Any) -> tuple[BatchFeature, list[str]]:
        features = self.extract_features(audio)
        return features, [self.replace_audio_token(features, index) for index in range(len(audio))]

    def _user_turn(self, question: str, audio: str) -> dict[str, str]:
        said = {"{audio}": audio, "{question}": question}
        content = re.sub(r"\{(audio|question)\}", lambda found: said[found[0]], self.user_message)
        return {"role": "user", "content": content}

    @property
    def _padding(self) -> str:
        # Whisper's encoder takes windows of one length only.
        is_whisper = isinstance(self.feature_extractor, WhisperFeatureExtractor)
        return "max_length" if is_whisper else "longest"
