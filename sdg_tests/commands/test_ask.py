"""`sdg ask` on a checkpoint of random weights, and on what is none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sdg_assets.commands.ask import AskError, ask_about
from sdg_training.checkpoint import build_model, save_checkpoint
from sdg_training.recipe import Recipe

QUESTION = "Was kauft Anna?"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models with an adapter that has learnt nothing."""
    recipe = Recipe.model_validate({"adapter": {"hidden_size": 32}, "max_audio_seconds": 5})
    folder: Path = tmp_path_factory.mktemp("checkpoints") / "one"
    save_checkpoint(folder, *build_model(recipe), recipe, {})
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Stereo at 44.1 kHz, as a phone makes it."""
    samples = np.random.default_rng(0).normal(size=(44_100, 2)) * 0.1
    soundfile.write(tmp_path / "ümlaut 北京.ogg", samples, 44_100)
    return tmp_path / "ümlaut 北京.ogg"


def test_it_answers(checkpoint: Path, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask_about(str(checkpoint), recording, QUESTION, 1, compare=True)
    answer, guess = capsys.readouterr().out.splitlines()
    assert guess.startswith("audio removed: ")
    ask_about(str(checkpoint), recording, QUESTION, 1, compare=False)
    assert capsys.readouterr().out.splitlines() == [answer]


def test_what_cannot_be_heard_is_named(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AskError, match=r"text\.wav cannot be asked about"):
        ask_about(str(checkpoint), tmp_path / "text.wav", QUESTION, 1, compare=False)


@pytest.mark.parametrize(
    ("seconds", "advice"), [(6, "cut it into parts"), (0.05, "give a longer recording")]
)
def test_what_is_too_long_or_short_is_told_what_helps(
    checkpoint: Path, tmp_path: Path, seconds: float, advice: str
) -> None:
    """Neither the profile nor a corpus's YAML has to do with it."""
    soundfile.write(tmp_path / "odd.wav", np.zeros(int(seconds * 16_000)), 16_000)
    with pytest.raises(AskError, match=rf"odd\.wav cannot be asked about: .*; {advice}") as error:
        ask_about(str(checkpoint), tmp_path / "odd.wav", QUESTION, 1, compare=False)
    assert "YAML" not in str(error.value)
    assert "profile" not in str(error.value)


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_refused(recording: Path, question: str) -> None:
    with pytest.raises(AskError, match="the question is empty"):
        ask_about("3f2a", recording, question, 1, compare=False)


def test_a_folder_that_is_no_checkpoint(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(AskError, match="is no checkpoint of sdg"):
        ask_about(str(tmp_path), recording, QUESTION, 1, compare=False)


def test_an_id_that_is_not_there(home: Path, recording: Path) -> None:
    home.mkdir()
    (home / "sdg.yaml").write_text("profile: tiny\n")
    with pytest.raises(AskError, match=r"neither the folder .* none:\s+materialise"):
        ask_about("3f2a", recording, QUESTION, 1, compare=False)
