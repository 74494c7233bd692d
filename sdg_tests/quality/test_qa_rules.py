"""Tests of the rules for generated pairs."""

from collections import Counter
from pathlib import Path

import pytest

from sdg_assets.quality.qa_parsing import QAPair
from sdg_assets.quality.qa_rules import REASONS, QARules, apply_rules, find_repeated
from sdg_tests.xquad import read_passages

LANGUAGES = ["en", "de", "es", "zh", "hi"]
CONTEXTS = {
    "en": "Anna took the morning train to Berlin on Monday and bought four red apples.",
    "de": "Anna fuhr am Montag mit dem ersten Zug nach Berlin und kaufte vier rote Äpfel.",
    "zh": "安娜星期一坐早班火车去了柏林，买了四个红苹果。",
    "hi": "अन्ना सोमवार को सुबह की ट्रेन से बर्लिन गई और चार लाल सेब खरीदे।",
    "ar": "سافرت آنا يوم الاثنين إلى برلين واشترت أربع تفاحات حمراء.",
    "ja": "アンナは月曜日に始発列車でベルリンへ行き、赤いりんごを四つ買いました。",
}


def drop(
    question: str, answer: str, language: str = "en", rules: QARules | None = None
) -> str | None:
    pairs = [QAPair(question, answer)]
    return apply_rules(CONTEXTS[language], pairs, language, rules or QARules())[0]


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("en", "Where did Anna go on Monday?", "Berlin"),
        ("en", "Where did Anna go on Monday?", "To Berlin."),
        ("en", "Did Anna travel by car?", "No"),
        ("en", "Did Anna buy apples?", "Yes, four."),
        ("de", "Wohin fuhr Anna?", "nach Berlin"),
        ("de", "War es ein Montag?", "Ja, am Montag."),
        ("zh", "安娜去了哪里？", "柏林"),
        ("zh", "安娜坐火车了吗？", "是的"),
        ("hi", "अन्ना कहाँ गई?", "बर्लिन"),
        ("hi", "क्या अन्ना दिल्ली गई?", "नहीं"),
        ("ar", "إلى أين سافرت آنا؟", "إلى برلين"),
        ("ja", "アンナは何を買いましたか。", "赤いりんご"),
    ],
)
def test_good_pairs_pass(language: str, question: str, answer: str) -> None:
    assert drop(question, answer, language) is None


@pytest.mark.parametrize(
    ("language", "question", "answer", "reason"),
    [
        ("en", "Go?", "Berlin", "question_too_short"),
        ("zh", "谁？", "安娜", "question_too_short"),
        (
            "en",
            "Where did Anna go " + "on that one morning " * 20 + "?",
            "Berlin",
            "question_too_long",
        ),
        ("en", "Where did Anna go?", CONTEXTS["en"] * 4, "answer_too_long"),
        ("zh", "Where did Anna go?", "柏林", "wrong_language_script"),
        ("en", "अन्ना कहाँ गई?", "Berlin", "wrong_language_script"),
        ("en", "According to the passage, where did Anna go?", "Berlin", "mentions_transcript"),
        ("de", "Wohin fuhr Anna laut dem Text?", "nach Berlin", "mentions_transcript"),
        ("zh", "根据这段文字，安娜去了哪里？", "柏林", "mentions_transcript"),
        ("hi", "पाठ के अनुसार अन्ना कहाँ गई?", "बर्लिन", "mentions_transcript"),
        ("en", "How old is Anna?", "It is not mentioned.", "refusal"),
        ("de", "Wie alt ist Anna?", "Das wird nicht erwähnt.", "refusal"),
        ("zh", "安娜多大了？", "文中未提及", "refusal"),
        ("en", "Where did Anna go?", "to Hamburg", "answer_not_grounded"),
        ("zh", "安娜去了哪里？", "慕尼黑", "answer_not_grounded"),
        ("ja", "アンナはどこへ行きましたか。", "ハンブルク", "answer_not_grounded"),
        ("en", "Did Anna go to Hamburg?", "Yes, to the harbour of Hamburg", "answer_not_grounded"),
        ("en", "Where did Anna go?", "?!", "answer_not_grounded"),
        ("en", "How did Anna get to Berlin?", "Berlin", "answer_in_question"),
        ("zh", "安娜坐什么去了柏林？", "柏林", "answer_in_question"),
        ("en", CONTEXTS["en"][:-1] + "?", "No", "question_copies_context"),
    ],
)
def test_bad_pairs_are_dropped(language: str, question: str, answer: str, reason: str) -> None:
    assert drop(question, answer, language) == reason


def test_every_reason_is_tested_above_or_below() -> None:
    marks = test_bad_pairs_are_dropped.pytestmark  # type: ignore[attr-defined]
    tested = {case[-1] for case in marks[0].args[1]}
    assert tested | {"duplicate_question"} == set(REASONS)


def test_limits_are_configuration() -> None:
    refusal = "It is not mentioned."
    assert drop("How old is Anna?", refusal, rules=QARules(keep_refusals=True)) is None
    allowed = QARules(allow_mentions_of_text=True)
    assert drop("According to the text, where did Anna go?", "Berlin", rules=allowed) is None
    strict = QARules(min_grounding=1.0)
    assert drop("Where did Anna go?", "by train to Berlin", rules=strict) == "answer_not_grounded"


def test_the_first_acceptable_one_of_equal_questions_is_kept() -> None:
    pairs = [
        QAPair("Where did Anna go?", "Hamburg"),
        QAPair("Where did Anna go?", "Berlin"),
        QAPair("where did anna go", "to Berlin"),
        QAPair("What did Anna buy?", "four red apples"),
    ]
    reasons = apply_rules(CONTEXTS["en"], pairs, "en", QARules())
    assert reasons == ["answer_not_grounded", None, "duplicate_question", None]


def test_repeated_items_of_a_partition() -> None:
    items = [("a", "who?"), ("b", "who?"), ("a", "who?"), ("a", "who?")]
    assert find_repeated(items) == [False, False, True, True]
    assert find_repeated([]) == []


@pytest.mark.real_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_human_pairs_pass_and_pairs_of_other_passages_do_not(
    shared_data: Path, language: str
) -> None:
    read = read_passages(shared_data, language)[::3]
    own: Counter[str | None] = Counter()
    foreign: Counter[str | None] = Counter()
    for (context, pairs), (other, _) in zip(read, read[5:] + read[:5], strict=True):
        own.update(apply_rules(context, pairs, language, QARules()))
        foreign.update(apply_rules(other, pairs, language, QARules()))
    assert own[None] > 0.975 * own.total()
    assert own["answer_not_grounded"] < 0.005 * own.total()
    assert foreign["answer_not_grounded"] > 0.99 * foreign.total()
