"""LLM behind any endpoint that speaks OpenAI's chat completions (vLLM, llama.cpp, hosted models).

The official client retries by itself: 408, 409, 429, 5xx, timeouts and broken connections, with
exponential back-off and jitter, and as long as ``Retry-After`` says.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sdg_assets.engines.base import (
    EngineError,
    Failure,
    Fingerprint,
    LLMRequest,
    LLMResult,
    Usage,
)
from sdg_assets.engines.batching import run_timed
from sdg_assets.engines.config import EngineConfig
from sdg_assets.engines.seeds import combine_seeds
from sdg_assets.progress import count

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI
    from openai.types.chat import ChatCompletion

_NO_POINT_IN_GOING_ON = (401, 404)


class OpenAICompatibleConfig(EngineConfig):
    """``api_key_variable`` names the environment variable that holds the key; None: no key.

    ``revision`` says what is served under the model's name, for the fingerprint; without it the
    ``base_url`` stands for it, and calls are made anew when that changes. ``temperature`` and
    ``seed`` are not sent when None. Prices are per million tokens, in any one currency.
    """

    backend: Literal["openai-compatible"] = "openai-compatible"
    base_url: Annotated[str, Field(pattern=r"^https?://")]
    model: str
    revision: str | None = None
    api_key_variable: str | None = None
    concurrency: PositiveInt = 16
    timeout: PositiveFloat = 120.0  # seconds, of each try
    max_retries: NonNegativeInt = 6
    max_tokens: PositiveInt = 512
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: NonNegativeFloat | None = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = 0
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    input_price: NonNegativeFloat | None = None
    output_price: NonNegativeFloat | None = None

    def start(self) -> "OpenAICompatible":
        return OpenAICompatible(self)


class OpenAICompatible:
    """A client of one model at one endpoint.

    Raises:
        EngineError: the variable for the API key is not set.
    """

    def __init__(self, config: OpenAICompatibleConfig) -> None:
        self._config = config
        self._api_key = _read_api_key(config.api_key_variable)
        self._fingerprint = Fingerprint(
            kind="llm",
            name=f"openai-compatible/{config.model}",
            revision=config.revision or config.base_url,
            parameters=config.model_dump(
                mode="json",
                include={"max_tokens", "temperature", "top_p", "seed", "extra_body"},
            ),
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def generate(self, batch: Sequence[LLMRequest]) -> list[LLMResult | Failure]:
        """Send the requests, ``concurrency`` at a time.

        Raises:
            EngineError: the key is refused, the model is not there, or nothing answers at all.
        """
        results = run_timed(self._run, list(batch))
        failures = [result for result in results if isinstance(result, Failure)]
        if batch and sum(failure.reason == "connection" for failure in failures) == len(batch):
            raise EngineError(
                f"nothing answers at {self._config.base_url} ({failures[0].detail}): start the "
                "server, or correct `base_url` (it usually ends in `/v1`)"
            )
        return results

    def _run(self, batch: list[LLMRequest]) -> list[LLMResult | Failure]:
        """``asyncio.run``, also where a loop is running already (a notebook, an async caller)."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._generate(batch))
        with ThreadPoolExecutor(1) as pool:
            context = copy_context()  # what listens to progress is in it
            return pool.submit(context.run, asyncio.run, self._generate(batch)).result()

    async def _generate(self, batch: list[LLMRequest]) -> list[LLMResult | Failure]:
        from openai import AsyncOpenAI

        config = self._config
        free_slots = asyncio.Semaphore(config.concurrency)
        async with AsyncOpenAI(
            base_url=config.base_url,
            api_key=self._api_key,
            timeout=config.timeout,
            max_retries=config.max_retries,
        ) as client:
            calls = (self._call_and_count(client, request, free_slots) for request in batch)
            return await asyncio.gather(*calls)

    async def _call_and_count(
        self, client: "AsyncOpenAI", request: LLMRequest, free_slots: asyncio.Semaphore
    ) -> LLMResult | Failure:
        result = await self._call(client, request, free_slots)
        count()
        return result

    async def _call(
        self, client: "AsyncOpenAI", request: LLMRequest, free_slots: asyncio.Semaphore
    ) -> LLMResult | Failure:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        async with free_slots:
            try:
                completion = await client.chat.completions.create(**self._make_body(request))
            except APITimeoutError:
                return Failure("timeout", f"no answer within {self._config.timeout:g} s")
            except APIConnectionError as error:
                return Failure("connection", f"{error} {error.__cause__ or ''}".strip())
            except APIStatusError as error:
                return self._read_error(error)
            except ValueError as error:
                return Failure("malformed_response", f"the answer is no JSON: {error}")
            return self._read_completion(completion)

    def _make_body(self, request: LLMRequest) -> dict[str, Any]:
        config = self._config
        body = {
            "model": config.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            config.max_tokens_parameter: request.max_tokens or config.max_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "seed": None if config.seed is None else combine_seeds(config.seed, request.seed),
        }
        sent = {name: value for name, value in body.items() if value is not None}
        return {**sent, "extra_body": dict(config.extra_body)}

    def _read_error(self, error: "APIStatusError") -> Failure:
        if error.status_code in _NO_POINT_IN_GOING_ON:
            raise EngineError(
                f"{self._config.base_url} refuses the model {self._config.model!r} with status "
                f"{error.status_code}: {error.message}. Check `model`, `base_url` (it usually ends "
                "in `/v1`) and the key in the variable that `api_key_variable` names "
                f"({self._config.api_key_variable})"
            ) from error
        if error.code == "context_length_exceeded":
            return Failure("prompt_too_long", error.message)
        return Failure(f"http_{error.status_code}", error.message)

    def _read_completion(self, completion: "ChatCompletion") -> LLMResult | Failure:
        choices = getattr(completion, "choices", None)  # the client checks nothing
        if not choices:
            return Failure("malformed_response", f"no choices in {str(completion)[:200]!r}")
        choice = choices[0]
        if choice.finish_reason == "content_filter":
            return Failure("content_filter", "the endpoint's content filter withheld the answer")
        text = getattr(choice.message, "content", None)
        if not isinstance(text, str):
            return Failure("malformed_response", f"no text in {str(choice)[:200]!r}")
        return LLMResult(
            text=text,
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            usage=self._read_usage(completion),
        )

    def _read_usage(self, completion: "ChatCompletion") -> Usage:
        read = getattr(completion.usage, "prompt_tokens", None)
        written = getattr(completion.usage, "completion_tokens", None)
        prices = self._config.input_price, self._config.output_price
        if read is None or written is None or None in prices:
            return Usage(input_tokens=read, output_tokens=written)
        cost = (read * prices[0] + written * prices[1]) / 1e6
        return Usage(input_tokens=read, output_tokens=written, cost=cost)


def _read_api_key(variable: str | None) -> str:
    if variable is None:
        return "none"  # the client insists on one
    key = os.environ.get(variable)
    if not key:
        raise EngineError(
            f"the environment variable {variable}, named by `api_key_variable`, is not set: export "
            "it where Dagster runs, or remove `api_key_variable` if the endpoint needs no key"
        )
    return key
