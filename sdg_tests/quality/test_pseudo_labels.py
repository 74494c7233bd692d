"""Tests of the flags of a pseudo-label."""

import csv
from pathlib import Path

import pytest

from sdg_assets.engines.base import ASRSegment
from sdg_assets.quality.audio_text import AudioFigures
from sdg_assets.quality.pseudo_labels import (
    LabelFigures,
    PseudoLabelThresholds,
    flag_pseudo_label,
    pool_segments,
    repetition,
)
from sdg_tests.xquad import read_passages

SURE = LabelFigures(avg_logprob=-0.2, no_speech_prob=0.02, compression_ratio=1.4, temperature=0.0)
TEXTS = {
    "en": "The harbour lies to the north of the old town, and the boats leave at nine.",
    "de": "Der Hafen liegt nördlich der Altstadt, und die Schiffe fahren um neun Uhr ab.",
    "zh": "港口位于老城区的北边，船每天早上九点出发。",
    "ja": "港は旧市街の北にあり、船は毎朝九時に出発します。",
    "hi": "बंदरगाह पुराने शहर के उत्तर में है, और नावें नौ बजे निकलती हैं।",
    "ar": "يقع الميناء شمال المدينة القديمة، وتغادر القوارب في التاسعة.",
    "th": "ท่าเรืออยู่ทางเหนือของเมืองเก่า และเรือออกตอนเก้าโมงเช้า",
    "ru": "Гавань лежит к северу от старого города, и лодки уходят в девять.",
}


def audio(duration: float = 5.0, level: float = -25.0, silence: float = 0.15) -> AudioFigures:
    return AudioFigures(duration, level, 0.5, silence)


def flag(
    text: str,
    language: str = "en",
    *,
    figures: LabelFigures | None = SURE,
    recording: AudioFigures | None = None,
    detected: str | None = None,
) -> tuple[str, ...]:
    return flag_pseudo_label(
        text, figures, recording or audio(), language, detected, PseudoLabelThresholds()
    )


@pytest.mark.parametrize("language", TEXTS)
def test_good_labels_are_trusted_in_every_script(language: str) -> None:
    assert flag(TEXTS[language], language, detected=language) == ()


@pytest.mark.parametrize("text", ["", "  ", "...", "♪♪"])
def test_empty(text: str) -> None:
    assert flag(text, detected="de") == ("empty",)


@pytest.mark.parametrize(
    "figures",
    [LabelFigures(-1.3, 0.02, 1.4, 0.0), LabelFigures(-0.4, 0.02, 1.4, 0.8)],
)
def test_low_confidence(figures: LabelFigures) -> None:
    assert flag(TEXTS["en"], figures=figures) == ("low_confidence",)


def test_confident_text_over_silence_is_flagged() -> None:
    confident = LabelFigures(-0.15, 0.7, 1.4, 0.0)
    over_silence = audio(duration=8.0, silence=0.99)
    assert "no_speech" in flag(TEXTS["en"], figures=confident, recording=over_silence)
    assert "no_speech" not in flag(TEXTS["en"], figures=confident)


def test_text_over_digital_silence_is_flagged_whatever_the_model_says() -> None:
    digital_silence = audio(level=-120.0, silence=1.0)
    assert flag(TEXTS["en"], recording=digital_silence) == ("no_speech",)
    assert flag(TEXTS["en"], figures=None, recording=digital_silence) == ("no_speech",)


def test_unsure_text_in_noise_is_flagged() -> None:
    assert flag(TEXTS["en"], figures=LabelFigures(-0.7, 0.8, 1.4, 0.0)) == ("no_speech",)


def test_more_text_than_the_sound_can_hold_is_too_fast() -> None:
    """A confident sentence where only a door slammed: nothing but the measure shows it."""
    assert flag(TEXTS["en"], recording=audio(duration=10.0, silence=0.95)) == ("too_fast",)


def test_quiet_recordings_of_real_speech_are_trusted() -> None:
    assert flag(TEXTS["en"], recording=audio(level=-65.0, silence=1.0)) == ()


@pytest.mark.parametrize("language", TEXTS)
def test_rates_have_one_pair_of_limits_for_all_scripts(language: str) -> None:
    text = TEXTS[language]
    assert flag(text, language, recording=audio(duration=1.0)) == ("too_fast",)
    assert flag(text, language, recording=audio(duration=60.0)) == ("too_slow",)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Thank you. Thank you. Thank you. Thank you.", "en"),
        ("no no no no no no no no", "en"),
        ("謝謝大家謝謝大家謝謝大家謝謝大家", "zh"),
        ("हम हम हम हम हम हम हम हम हम", "hi"),
        ("ああああああああああああ", "ja"),
        ("1 1 1 1 1 1 1 1 1 1 1 1", "en"),
        (TEXTS["de"] * 3, "de"),
        (TEXTS["en"] + " so I said that" * 6, "en"),
    ],
)
def test_loops(text: str, language: str) -> None:
    assert "repetition" in flag(text, language)


@pytest.mark.parametrize("text", ["1000000000", "five", "no no, not now", "very, very good"])
def test_what_is_no_loop(text: str) -> None:
    assert repetition(text, "en") < 0.3


@pytest.mark.parametrize(
    ("text", "language"),
    [("Ich bin in der Stadt", "hi"), ("مرحبا بالعالم", "en"), ("我在北京", "ru"), ("Hello", "ja")],
)
def test_wrong_script(text: str, language: str) -> None:
    assert "wrong_script" in flag(text, language, recording=audio(duration=1.5))


def test_wrong_language() -> None:
    assert flag(TEXTS["en"], "en", detected="cy") == ("wrong_language",)
    assert flag(TEXTS["en"], "en-GB", detected="en") == ()
    assert flag(TEXTS["en"], "en", detected=None) == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Thanks for watching!", "en"),
        ("Untertitel der Amara.org-Community", "de"),
        ("Sous-titrage Société Radio-Canada", "fr"),
        ("ご視聴ありがとうございました", "ja"),
        ("字幕由 Amara.org 社群提供", "zh"),
        ("请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "zh"),
        ("시청해주셔서 감사합니다.", "ko"),
        ("Продолжение следует...", "ru"),
        ("Altyazı M.K.", "tr"),
        ("اشتركوا في القناة", "ar"),
        ("Thank you for watching.", "hi"),  # another language than the audio's
        ("Thanks for watching. Thanks for watching.", "en"),
    ],
)
def test_boilerplate(text: str, language: str) -> None:
    assert "boilerplate" in flag(text, language, recording=audio(duration=2.5))


def test_a_sign_off_inside_real_speech_is_speech() -> None:
    text = "She ended every lecture with thanks for watching, and then the lights went out."
    assert flag(text) == ()


def test_flags_come_in_a_fixed_order() -> None:
    unsure = LabelFigures(-2.0, 0.9, 3.0, 1.0)
    flags = flag("Thanks for watching! " * 5, "zh", figures=unsure, detected="en")
    assert flags == (
        "low_confidence",
        "no_speech",
        "repetition",
        "wrong_script",
        "wrong_language",
        "boilerplate",
    )


def test_segments_are_pooled_by_their_text() -> None:
    segments = [
        ASRSegment(0.0, 2.0, "x" * 30, -0.2, 0.1, 1.5, 0.0),
        ASRSegment(2.0, 4.0, "x" * 10, -1.0, 0.5, 2.5, 0.4),
    ]
    pooled = pool_segments(segments)
    assert pooled is not None
    assert pooled.avg_logprob == pytest.approx(-0.4)
    assert pooled.no_speech_prob == pytest.approx(0.2)
    assert (pooled.compression_ratio, pooled.temperature) == (2.5, 0.4)
    assert pool_segments([]) is None
    assert pool_segments([ASRSegment(0.0, 1.0, "", -0.5, 0.1, 1.0, 0.0)]) is not None


@pytest.mark.real_data
def test_real_hypotheses_are_trusted(shared_data: Path) -> None:
    with (shared_data / "librispeech_test_other" / "transcripts.tsv").open(
        encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    flagged = [
        flag(
            row["asr_hypothesis_rnnt_baseline"],
            recording=audio(duration=float(row["duration_s"]), silence=0.0),
        )
        for row in rows
    ]
    assert flagged == [()] * 50


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "de", "es", "zh", "hi"])
def test_real_prose_is_no_loop(shared_data: Path, language: str) -> None:
    passages = [context for context, _ in read_passages(shared_data, language)]
    assert max(repetition(passage, language) for passage in passages) < 0.45
    looped = [passage[:25] * 4 for passage in passages]
    assert min(repetition(text, language) for text in looped) > 0.55
