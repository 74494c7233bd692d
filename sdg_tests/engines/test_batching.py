import time

from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.engines.base import Failure, LLMResult
from sdg_assets.engines.batching import run_in_chunks, run_timed

ODD = Failure("odd", "not today")


def answer_each(texts: list[str]) -> list[LLMResult | Failure]:
    return [ODD if text == "x" else LLMResult(text, "stop") for text in texts]


@given(
    st.lists(st.text(alphabet="xyz词", max_size=5) | st.just(Failure("bad", "before"))),
    st.integers(1, 4),
)
def test_one_result_per_input_in_order_whatever_the_chunks(inputs, size):
    sizes: list[list[int]] = []

    def run(texts: list[str]) -> list[LLMResult | Failure]:
        sizes.append([len(text) for text in texts])
        return answer_each(texts)

    results = run_in_chunks(inputs, run, size, length=len)
    assert len(results) == len(inputs)
    for item, result in zip(inputs, results, strict=True):
        if isinstance(item, Failure):
            assert result is item
        elif item == "x":
            assert result is ODD
        else:
            assert isinstance(result, LLMResult)
            assert result.text == item
    lengths = [length for chunk in sizes for length in chunk]
    assert lengths == sorted(lengths)
    assert all(len(chunk) == size for chunk in sizes[:-1])


def test_wall_time_is_shared():
    def run(texts: list[str]) -> list[LLMResult | Failure]:
        time.sleep(0.2)
        return answer_each(texts)

    results = run_timed(run, ["a", "x", "b", "c"])
    seconds = [result.usage.seconds for result in results if isinstance(result, LLMResult)]
    assert len(set(seconds)) == 1
    assert 0.05 <= seconds[0] < 0.1
    assert run_timed(answer_each, []) == []
