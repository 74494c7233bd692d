import pytest
from jinja2 import UndefinedError

from sdg_training.tiny.prompts import render_messages


@pytest.mark.parametrize(
    ("prompt", "variables", "content"),
    [
        ("answer", {"question": "Wer?"}, "Kontext & <b>.\nWer?"),
        ("write_qa", {}, "Kontext & <b>.\nWrite questions."),
        ("judge_qa", {"question": "Wer?", "answer": "Eva"}, "Kontext & <b>.\nWer?\nEva\nRight?"),
        ("repeat", {}, "Kontext & <b>.\nRepeat."),
    ],
)
def test_renders_one_short_user_message(prompt: str, variables: dict[str, str], content: str):
    messages = render_messages(prompt, context="Kontext & <b>.", language="de", **variables)
    assert messages == [{"role": "user", "content": content}]


def test_a_missing_variable_is_an_error():
    with pytest.raises(UndefinedError, match="question"):
        render_messages("answer", context="Some text.")
