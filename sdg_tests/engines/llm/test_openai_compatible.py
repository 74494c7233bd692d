"""The OpenAI client against a real local server that fails on demand."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from sdg_assets.engines.base import EngineError, LLMRequest, LLMResult, Message
from sdg_assets.engines.llm.openai_compatible import OpenAICompatible, OpenAICompatibleConfig
from sdg_assets.progress import counting

SECRET = "sk-secret-of-this-test"


class FailingHandler(BaseHTTPRequestHandler):
    """Does what the last message says, ``once``: only the first time that it comes."""

    server: "FailingServer"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append((self.path, self.headers["Authorization"], body))
            self.server.running += 1
            self.server.most_running = max(self.server.most_running, self.server.running)
        try:
            self.answer(body, body["messages"][-1]["content"])
        finally:
            with self.server.lock:
                self.server.running -= 1

    def answer(self, body: dict, order: str) -> None:
        first_time = self.server.count(order) == 1
        match order.split():
            case ["status", status, *rest] if first_time or "once" not in rest:
                self.send(int(status), {"error": {"message": f"told to say {status}"}})
            case ["code", code]:
                self.send(400, {"error": {"message": f"it is {code}", "code": code}})
            case ["sleep", seconds, *rest] if first_time or "once" not in rest:
                time.sleep(float(seconds))
                self.send(200, make_completion("slept"))
            case ["cut", *rest] if first_time or "once" not in rest:
                self.connection.close()
            case ["halves"]:
                self.send_raw(200, "application/json", b'{"choices": [{"mess')
            case ["prose"]:
                self.send_raw(200, "text/plain", b"Sorry, I am only a web page.")
            case ["list"]:
                self.send(200, [1, 2])
            case ["nothing"]:
                self.send(200, {"choices": []})
            case ["null"]:
                self.send(200, make_completion(None))
            case ["finish", reason]:
                self.send(200, make_completion("cut off", reason))
            case ["unmetered"]:
                self.send(200, {**make_completion("free"), "usage": None})
            case _:
                time.sleep(0.02)
                self.send(200, make_completion(f"{body['model']}: {order}"))

    def send(self, status: int, body: object) -> None:
        self.send_raw(status, "application/json", json.dumps(body).encode())

    def send_raw(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(body)


class FailingServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FailingHandler)
        self.lock = threading.Lock()
        self.bodies: list[tuple[str, str, dict]] = []
        self.running = 0
        self.most_running = 0
        self.retry_after = "0.05"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def count(self, order: str) -> int:
        return sum(body["messages"][-1]["content"] == order for _, _, body in self.bodies)


def make_completion(text: str | None, finish_reason: str = "stop") -> dict:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def start(server: FailingServer, **options: object) -> OpenAICompatible:
    settings = {"base_url": server.url, "model": "m", "max_retries": 2, "timeout": 5, **options}
    return OpenAICompatibleConfig(**settings).start()


def ask(text: str, **options: object) -> LLMRequest:
    return LLMRequest((Message("system", "Obey."), Message("user", text)), **options)


def test_answers_are_in_order_and_concurrency_is_bounded(server):
    texts = [f"wort {n} 词 शब्द" for n in range(30)]
    results = start(server, concurrency=4).generate([ask(text) for text in texts])
    assert [result.text for result in results] == [f"m: {text}" for text in texts]
    assert 1 < server.most_running <= 4


def test_what_is_sent(server, monkeypatch):
    monkeypatch.setenv("SDG_TEST_KEY", SECRET)
    engine = start(
        server,
        api_key_variable="SDG_TEST_KEY",
        temperature=0.7,
        top_p=0.9,
        extra_body={"guided_json": {"type": "object"}},
    )
    engine.generate([ask("one"), ask("two", seed=1, max_tokens=7)])
    (path, key, one), (_, _, two) = sorted(server.bodies, key=lambda sent: sent[2]["max_tokens"])[
        ::-1
    ]
    assert (path, key) == ("/v1/chat/completions", f"Bearer {SECRET}")
    assert one["messages"] == [
        {"role": "system", "content": "Obey."},
        {"role": "user", "content": "one"},
    ]
    assert (one["model"], one["temperature"], one["top_p"]) == ("m", 0.7, 0.9)
    assert one["guided_json"] == {"type": "object"}
    assert (one["max_tokens"], two["max_tokens"]) == (512, 7)
    assert one["seed"] != two["seed"]
    assert SECRET not in repr(engine.fingerprint)


def test_parameters_that_an_endpoint_does_not_take_are_left_out(server):
    engine = start(
        server, temperature=None, seed=None, max_tokens_parameter="max_completion_tokens"
    )
    engine.generate([ask("one")])
    assert set(server.bodies[0][2]) == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("order", ["status 429 once", "status 500 once", "cut once"])
def test_what_passes_is_retried(server, order):
    result = start(server).generate([ask(order)])[0]
    assert isinstance(result, LLMResult)
    assert server.count(order) == 2


def test_timeout_is_retried(server):
    result = start(server, timeout=0.3).generate([ask("sleep 1 once")])[0]
    assert isinstance(result, LLMResult)
    assert server.count("sleep 1 once") == 2


def test_retry_after_is_honoured(server):
    server.retry_after = "1.2"  # the client's own back-off would be at most half a second
    started = time.perf_counter()
    start(server).generate([ask("status 429 once")])
    assert time.perf_counter() - started >= 1.2


@pytest.mark.parametrize(
    ("order", "reason", "tries"),
    [
        ("status 429", "http_429", 3),
        ("status 503", "http_503", 3),
        ("status 400", "http_400", 1),
        ("code context_length_exceeded", "prompt_too_long", 1),
        ("sleep 0.6", "timeout", 3),
        ("cut", "connection", 3),
        ("halves", "malformed_response", 1),
        ("prose", "malformed_response", 1),
        ("list", "malformed_response", 1),
        ("nothing", "malformed_response", 1),
        ("null", "malformed_response", 1),
        ("finish content_filter", "content_filter", 1),
    ],
)
def test_failures_are_values_with_reasons_and_the_rest_goes_on(server, order, reason, tries):
    engine = start(server, timeout=0.4)
    first, failure, last = engine.generate([ask("first"), ask(order), ask("last")])
    assert failure.reason == reason
    assert failure.detail
    assert (first.text, last.text) == ("m: first", "m: last")
    assert server.count(order) == tries


@pytest.mark.parametrize("status", [401, 404])
def test_no_point_in_going_on(server, status):
    engine = start(server, concurrency=1)
    orders = [ask(f"status {status}"), *(ask(f"later {n}") for n in range(20))]
    with pytest.raises(EngineError, match=rf"refuses the model 'm' with status {status}.*api_key"):
        engine.generate(orders)
    assert len(server.bodies) < 20


def test_nothing_answers():
    with FailingServer() as server:
        url = server.url
    config = OpenAICompatibleConfig(base_url=url, model="m", max_retries=1)
    with pytest.raises(EngineError, match=rf"nothing answers at {url}.*start the server"):
        config.start().generate([ask("one"), ask("two")])


def test_usage_cost_and_finish_reason(server):
    engine = start(server, input_price=0.5, output_price=2.0)
    whole, cut, unmetered = engine.generate([ask("hi"), ask("finish length"), ask("unmetered")])
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (1000, 200)
    assert whole.usage.cost == pytest.approx(0.0009)
    assert unmetered.usage.cost is None
    assert unmetered.usage.input_tokens is None
    assert 0 < whole.usage.seconds == cut.usage.seconds
    assert start(server).generate([ask("hi")])[0].usage.cost is None


def test_answers_are_counted_as_they_come(server):
    counts: list[int] = []

    async def call_from_a_coroutine() -> None:
        start(server).generate([ask("three"), ask("four")])

    with counting(counts.append):
        start(server).generate([ask("one"), ask("two")])
        asyncio.run(call_from_a_coroutine())
    assert counts == [1, 1, 1, 1]


def test_within_a_running_event_loop(server):
    engine = start(server)

    async def call_from_a_coroutine() -> list:
        return engine.generate([ask("inside")])

    assert asyncio.run(call_from_a_coroutine())[0].text == "m: inside"
    assert engine.generate([]) == []


def test_fingerprint_follows_what_changes_the_output():
    base = {"base_url": "http://one/v1", "model": "m"}

    def digest(**options: object) -> str:
        return OpenAICompatibleConfig(**{**base, **options}).start().fingerprint.digest

    same = digest(concurrency=2, timeout=1, max_retries=9, input_price=1, output_price=1)
    assert same == digest()
    others = [
        digest(base_url="http://two/v1"),
        digest(model="n"),
        digest(temperature=1),
        digest(seed=4),
        digest(max_tokens=9),
        digest(extra_body={"top_k": 3}),
        digest(revision="2025-01"),
    ]
    assert Counter([digest(), *others]).most_common(1)[0][1] == 1
    assert digest(revision="x") == digest(revision="x", base_url="http://two/v1")


def test_missing_key_is_said_at_once(monkeypatch):
    monkeypatch.delenv("SDG_TEST_KEY", raising=False)
    config = OpenAICompatibleConfig(
        base_url="http://one/v1", model="m", api_key_variable="SDG_TEST_KEY"
    )
    with pytest.raises(EngineError, match=r"SDG_TEST_KEY.*is not set: export"):
        config.start()


@pytest.mark.parametrize(
    "options", [{"base_url": "localhost:8000"}, {"concurrency": 0}, {"api_key": SECRET}]
)
def test_configuration_that_makes_no_sense(options):
    with pytest.raises(ValidationError):
        OpenAICompatibleConfig(**{"base_url": "http://one/v1", "model": "m", **options})
