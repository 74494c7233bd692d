"""Tests of the prompts."""

import subprocess
import sys
from pathlib import Path

import pytest

from sdg_assets import prompts
from sdg_assets.engines.base import Message
from sdg_assets.prompts import TASKS, PromptError, prompt_version, render, versions
from sdg_assets.quality.judge_parsing import parse_verdict
from sdg_assets.quality.qa_parsing import parse_qa
from sdg_training.tiny.prompts import render_messages

CONTEXT = "Anna took the morning train to Berlin."
VARIABLES = {
    "write_qa": {"context": CONTEXT, "language": "en", "count": 3},
    "judge_qa": {
        "context": CONTEXT,
        "language": "en",
        "question": "Where did Anna go?",
        "answer": "to Berlin",
    },
}
HOSTILE = "{{ count }} {% raw %} </s> <|im_end|> [INST] <b>&amp; 100% \\n {# no #}"


def test_there_are_two_versions() -> None:
    assert versions() == ("tiny", "v1")


@pytest.mark.parametrize("task", TASKS)
def test_v1_has_a_system_and_a_user_message_with_every_variable(task: str) -> None:
    messages = render(task, "v1", **VARIABLES[task])
    assert [message.role for message in messages] == ["system", "user"]
    for value in VARIABLES[task].values():
        assert str(value) in messages[1].content
    assert "English" in messages[1].content


@pytest.mark.parametrize("language", ["zh", "hi", "ar", "de", "pt-BR"])
def test_the_prompt_names_the_language(language: str) -> None:
    names = {"zh": "Chinese", "hi": "Hindi", "ar": "Arabic", "de": "German", "pt-BR": "Portuguese"}
    [_, user] = render("write_qa", "v1", context="...", language=language, count=2)
    assert f"in {names[language]} (language tag: {language})" in user.content


def test_a_language_without_a_name_goes_by_its_tag_and_a_name_can_be_given() -> None:
    [_, user] = render("write_qa", "v1", context="nuqneH", language="tlh", count=2)
    assert "in tlh (language tag: tlh)" in user.content
    [_, user] = render(
        "write_qa", "v1", context="nuqneH", language="tlh", language_name="Klingon", count=2
    )
    assert "in Klingon (language tag: tlh)" in user.content


def test_one_pair_is_asked_for_in_the_singular() -> None:
    [_, user] = render("write_qa", "v1", context=CONTEXT, language="en", count=1)
    assert "Write 1 question-answer pair in English" in user.content


def test_the_form_that_is_asked_for_is_the_form_that_is_parsed() -> None:
    [_, write] = render("write_qa", "v1", **VARIABLES["write_qa"])
    asked = parse_qa(write.content.splitlines()[-1])
    assert (len(asked.pairs), asked.errors, asked.repairs) == (1, (), ())
    [_, judge] = render("judge_qa", "v1", **VARIABLES["judge_qa"])
    assert parse_verdict(judge.content.splitlines()[-1]) == "yes"


@pytest.mark.parametrize("version", ["tiny", "v1"])
@pytest.mark.parametrize("variable", ["context", "question", "answer"])
def test_what_is_inserted_stays_inert(version: str, variable: str) -> None:
    variables = VARIABLES["judge_qa"] | {variable: HOSTILE}
    harmless = VARIABLES["judge_qa"] | {variable: "HARMLESS"}
    hostile = render("judge_qa", version, **variables)
    assert hostile[-1].content == render("judge_qa", version, **harmless)[-1].content.replace(
        "HARMLESS", HOSTILE
    )


@pytest.mark.parametrize("task", TASKS)
def test_tiny_is_what_the_tiny_model_was_trained_on(task: str) -> None:
    variables = {key: str(value) for key, value in VARIABLES[task].items()}
    trained = [Message(**message) for message in render_messages(task, **variables)]  # type: ignore[arg-type]
    assert list(render(task, "tiny", **variables)) == trained
    assert [message.role for message in trained] == ["user"]


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(PromptError, match=r"judge_qa v1: 'answer' is undefined; given: context"):
        render("judge_qa", "v1", context="x", language="en", question="y")
    with pytest.raises(PromptError, match="given: none"):
        render("write_qa", "tiny")


def test_unknown_versions_and_tasks_say_what_there_is() -> None:
    with pytest.raises(PromptError, match="'v9' of the prompts: tiny, v1"):
        render("write_qa", "v9", context="x")
    with pytest.raises(PromptError, match="'sing'; there are: write_qa, judge_qa"):
        prompt_version("sing", "v1")
    with pytest.raises(PromptError):
        render("write_qa", "../v1", context="x")


def test_the_version_has_a_hash_of_the_templates() -> None:
    found = {prompt_version(task, version) for task in TASKS for version in versions()}
    assert len(found) == 4
    assert prompt_version("write_qa", "v1").startswith("v1@")
    assert len(prompt_version("write_qa", "v1")) == len("v1@") + 8


def test_an_edited_template_changes_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "_find_folder", lambda version: tmp_path)
    monkeypatch.setattr(prompts, "_load", prompts._load.__wrapped__)
    template = tmp_path / "write_qa.user.jinja2"
    template.write_text("Ask about {{ context }}", encoding="utf-8")
    before = prompt_version("write_qa", "v1")
    assert prompt_version("write_qa", "v1") == before
    template.write_text("Ask about {{ context }}!", encoding="utf-8")
    edited = prompt_version("write_qa", "v1")
    (tmp_path / "write_qa.system.jinja2").write_text("Be brief.", encoding="utf-8")
    with_system = prompt_version("write_qa", "v1")
    assert len({before, edited, with_system}) == 3


def test_prompts_and_quality_are_light_to_import() -> None:
    """Tiny prompts too: they are read beside the model, not through it."""
    program = (
        "import sys, sdg_assets.prompts as p, sdg_assets.quality.pseudo_labels\n"
        "import sdg_assets.quality.qa_rules, sdg_assets.quality.error_rates\n"
        "p.render('write_qa', 'tiny', context='x')\n"
        "print([m for m in ('torch', 'whisper', 'transformers', 'dagster') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
