"""LLM by any causal language model of ``transformers`` that has a chat template.

Sampling is by the Gumbel-max trick: noise from a generator of the request's own is added to the
warped logits and the largest wins, which draws from exactly the softmax distribution. A request
therefore gets the same answer alone and in any batch (up to float error in the logits).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from sdg_assets.engines.base import (
    EngineError,
    Failure,
    Fingerprint,
    LLMRequest,
    LLMResult,
    Message,
    Usage,
)
from sdg_assets.engines.batching import run_in_chunks
from sdg_assets.engines.config import TINY_WORLD, EngineConfig, name_model, pick_device
from sdg_assets.engines.files import hash_folder
from sdg_assets.engines.seeds import combine_seeds
from sdg_assets.progress import count

if TYPE_CHECKING:
    import torch

_PROBE = "PROBE-OF-THE-SYSTEM-ROLE"


class TransformersConfig(EngineConfig):
    """``model``: ``tiny-world``, a name on the model hub, or a folder.

    ``temperature`` 0 is greedy; above it, ``top_k`` (0: all) and ``top_p`` narrow the sampling.
    ``chat_template_kwargs`` go to the chat template (``{"enable_thinking": false}`` for Qwen3).
    """

    backend: Literal["transformers"] = "transformers"
    model: str = TINY_WORLD
    revision: str | None = None  # branch, tag or commit on the hub
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: PositiveInt = 16
    max_new_tokens: PositiveInt = 512
    temperature: NonNegativeFloat = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: NonNegativeInt = 0
    seed: int = 0
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)

    def start(self) -> "TransformersLM":
        return TransformersLM(self)


@dataclass(frozen=True, slots=True)
class _Prompt:
    tokens: list[int]
    max_new_tokens: int
    seed: int


class TransformersLM:
    """A causal language model and its tokenizer on one device.

    Raises:
        EngineError: the model cannot be loaded, or its tokenizer has no chat template.
    """

    def __init__(self, config: TransformersConfig) -> None:
        import transformers

        self._config = config
        device = pick_device(config.device)
        dtype = _pick_dtype(config.dtype, device)
        self._tokenizer, self._model = _load(config, device, dtype)
        self._stops = _find_stops(self._model, self._tokenizer)
        # Ours replaces the model's own, whose sampling defaults would apply unseen.
        self._model.generation_config = transformers.GenerationConfig(
            eos_token_id=self._stops, pad_token_id=self._stops[0], do_sample=False
        )
        text_config = self._model.config.get_text_config()
        self._context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._has_system_role = self._probe_system_role()
        self._fingerprint = Fingerprint(
            kind="llm",
            name=f"transformers/{name_model(config.model)}",
            revision=_find_revision(config, self._model),
            parameters={
                **config.model_dump(
                    exclude={"backend", "model", "revision", "device", "batch_size"}
                ),
                "dtype": dtype,
                "library": transformers.__version__,
            },
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def generate(self, batch: Sequence[LLMRequest]) -> list[LLMResult | Failure]:
        return run_in_chunks(
            [self._encode(request) for request in batch],
            self._generate_chunk,
            self._config.batch_size,
            length=_count_tokens,
        )

    def _encode(self, request: LLMRequest) -> _Prompt | Failure:
        from jinja2 import TemplateError

        if not request.messages:
            return Failure("empty_prompt", "the request has no messages")
        messages = request.messages if self._has_system_role else merge_system(request.messages)
        try:
            tokens = self._tokenizer.apply_chat_template(
                _to_dicts(messages),
                add_generation_prompt=True,
                return_dict=False,
                sanitize_control_tokens=True,  # "<|im_end|>" in a transcript is text
                **self._config.chat_template_kwargs,
            )
        except TemplateError as error:
            return Failure("chat_template", f"the chat template refused the messages: {error}")
        room = self._context - len(tokens) if self._context else None
        if room is not None and room <= 0:
            return Failure(
                "prompt_too_long",
                f"the prompt has {len(tokens)} tokens; the model's context is {self._context}",
            )
        limit = request.max_tokens or self._config.max_new_tokens
        return _Prompt(tokens, limit if room is None else min(limit, room), request.seed)

    def _generate_chunk(self, chunk: list[_Prompt]) -> list[LLMResult | Failure]:
        import torch
        from transformers import StoppingCriteriaList

        width = max(len(prompt.tokens) for prompt in chunk)
        padding = [width - len(prompt.tokens) for prompt in chunk]
        inputs = torch.tensor(
            [[self._stops[0]] * pad + p.tokens for pad, p in zip(padding, chunk, strict=True)],
            device=self._model.device,
        )
        positions = torch.arange(width, device=self._model.device)
        mask = positions >= torch.tensor(padding, device=self._model.device)[:, None]
        with torch.inference_mode():
            output = self._model.generate(
                inputs,
                attention_mask=mask.long(),
                max_new_tokens=max(prompt.max_new_tokens for prompt in chunk),
                logits_processor=self._make_samplers(chunk),
                stopping_criteria=StoppingCriteriaList([CountStopped(self._stops)]),
            )
        generated = output[:, width:].tolist()
        return [self._decode(prompt, new) for prompt, new in zip(chunk, generated, strict=True)]

    def _make_samplers(self, chunk: list[_Prompt]) -> list[Any]:
        from transformers import (
            LogitsProcessorList,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        config = self._config
        samplers = LogitsProcessorList()
        if config.temperature > 0:
            samplers.append(TemperatureLogitsWarper(config.temperature))
            if config.top_k > 0:
                samplers.append(TopKLogitsWarper(config.top_k))
            if config.top_p < 1:
                samplers.append(TopPLogitsWarper(config.top_p))
            seeds = [combine_seeds(config.seed, prompt.seed) for prompt in chunk]
            samplers.append(GumbelNoise(seeds, self._model.device))
        return samplers

    def _decode(self, prompt: _Prompt, generated: list[int]) -> LLMResult:
        tokens = generated[: prompt.max_new_tokens]
        stop = next((i for i, token in enumerate(tokens) if token in self._stops), None)
        return LLMResult(
            text=self._tokenizer.decode(tokens[:stop], skip_special_tokens=True),
            finish_reason="length" if stop is None else "stop",
            usage=Usage(
                input_tokens=len(prompt.tokens),
                output_tokens=len(tokens) if stop is None else stop + 1,
            ),
        )

    def _probe_system_role(self) -> bool:
        """Whether the template writes system messages: some refuse them, some drop them."""
        from jinja2 import TemplateError

        probe = (Message("system", _PROBE), Message("user", "?"))
        try:
            rendered = self._tokenizer.apply_chat_template(
                _to_dicts(probe), tokenize=False, **self._config.chat_template_kwargs
            )
        except TemplateError:
            return False
        return _PROBE in rendered


class GumbelNoise:
    """A logits processor that adds Gumbel noise: its argmax is a sample from the softmax.

    Row ``i`` draws from its own generator, seeded with ``seeds[i]``, one vector per step.
    """

    def __init__(self, seeds: Sequence[int], device: "torch.device") -> None:
        import torch

        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, _input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores - noise.clamp_min_(torch.finfo(torch.float32).tiny).log_()


class CountStopped:
    """A stopping criterion that stops nothing: it counts the answers of a batch as they end."""

    def __init__(self, stops: Sequence[int]) -> None:
        self._stops = stops
        self._stopped = 0

    def __call__(self, input_ids: "torch.Tensor", _scores: Any) -> "torch.Tensor":
        import torch

        last = input_ids[:, -1]  # behind a stop all is padding, which is a stop as well
        ended = torch.isin(last, torch.tensor(self._stops, device=last.device))
        stopped = int(ended.sum())
        count(stopped - self._stopped)
        self._stopped = stopped
        return torch.zeros_like(ended)


def merge_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation with a leading system message moved to the head of the user's first."""
    if messages[0].role != "system":
        return messages
    system, *rest = messages
    if not rest or rest[0].role != "user":
        return (Message("user", system.content), *rest)
    return (Message("user", f"{system.content}\n\n{rest[0].content}"), *rest[1:])


def _to_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _count_tokens(prompt: _Prompt) -> int:
    return len(prompt.tokens)


def _pick_dtype(dtype: str, device: str) -> str:
    if dtype != "auto":
        return dtype
    return "float32" if device == "cpu" else "bfloat16"


def _load(config: TransformersConfig, device: str, dtype: str) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it breaks our own lines
    source = _find_source(config.model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=config.revision)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, revision=config.revision, dtype=dtype
        )
        model.to(device)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise EngineError(
            f"cannot load the language model {source!r} on device {device!r}: {error}\n"
            "Give a folder with a causal LM and its tokenizer (`save_pretrained`), a name on the "
            f"model hub that can be reached or is cached, or `{TINY_WORLD}`"
        ) from error
    if tokenizer.chat_template is None:
        raise EngineError(
            f"the tokenizer of {source!r} has no chat template, so this is a base model: choose "
            "the instruction-tuned one, or put a `chat_template.jinja` into the model's folder"
        )
    return tokenizer, model.eval()


def _find_source(model: str) -> str:
    from sdg_training import tiny

    if model == TINY_WORLD:
        return str(tiny.LLM)
    looks_like_path = model.startswith((".", "/", "~"))
    path = Path(model).expanduser()
    if looks_like_path and not path.is_dir():
        raise EngineError(
            f"there is no folder {path} with a language model: give one, a name on the model hub, "
            f"or `{TINY_WORLD}`"
        )
    return str(path) if path.is_dir() else model


def _find_stops(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: chat models often have more than the tokenizer's one."""
    of_model = model.generation_config.eos_token_id
    stops = of_model if isinstance(of_model, list) else [of_model, tokenizer.eos_token_id]
    found = [stop for stop in dict.fromkeys(stops) if stop is not None]
    if not found:
        raise EngineError(
            f"the model {model.name_or_path!r} has no end-of-text token, so it would never stop: "
            "set `eos_token_id` in its generation_config.json"
        )
    return found


def _find_revision(config: TransformersConfig, model: Any) -> str:
    """The commit on the hub, or the hash of the folder."""
    commit = getattr(model.config, "_commit_hash", None)
    return commit or hash_folder(Path(_find_source(config.model)))
