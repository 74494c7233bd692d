"""Settings and profiles: defaults, the home folder, errors that say what to write."""

from pathlib import Path

import pytest

from sdg_assets.settings import (
    Settings,
    SettingsError,
    home_folder,
    load_profile,
    load_settings,
    shipped_profiles,
)


def test_every_shipped_profile_is_valid_and_named_after_its_file() -> None:
    assert {"tiny", "small", "paper"} <= set(shipped_profiles())
    for name in shipped_profiles():
        assert load_profile(name).name == name


def test_the_paper_profile_is_the_published_recipe() -> None:
    recipe = load_profile("paper").recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.weight_decay) == ("adam", 1e-4, 1e-3)
    assert (recipe.epochs, recipe.batch_size * recipe.accumulate) == (3, 512)
    assert (recipe.adapter.type, recipe.adapter.num_layers, recipe.lora.rank) == (
        "conformer",
        2,
        32,
    )
    assert not recipe.freeze_encoder


def test_a_profile_is_as_the_one_it_extends_but_for_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: paper-xatt\nrecipe: {lora: {rank: 4}, epochs: 1}\n")
    mine, base = load_profile(str(path)), load_profile("paper-xatt")
    assert (mine.name, mine.asr, mine.llm) == ("mine", base.asr, base.llm)
    assert (mine.recipe.epochs, mine.recipe.lora.rank) == (1, 4)
    assert mine.recipe.lora.alpha == base.recipe.lora.alpha == 32
    assert mine.recipe.fusion == base.recipe.fusion


def test_a_profile_may_change_one_limit_or_one_setting_of_an_engine(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "name: base\nextends: tiny\npseudo_labels: {max_rate: 14}\nllm: {batch_size: 4}\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nextends: base.yaml\n"  # beside it, whatever the working folder is
        "llm: {backend: openai-compatible, base_url: 'http://127.0.0.1:1/v1', model: m}\n"
    )
    tiny, base = load_profile("tiny"), load_profile(str(tmp_path / "base.yaml"))
    assert base.pseudo_labels.max_rate == 14
    assert base.pseudo_labels.min_avg_logprob == tiny.pseudo_labels.min_avg_logprob
    assert base.llm == tiny.llm.model_copy(update={"batch_size": 4})
    mine = load_profile(str(path))
    assert mine.llm.backend == "openai-compatible"  # and nothing of the other backend's
    assert mine.asr == tiny.asr


def test_a_profile_cannot_extend_itself_or_what_is_not_there(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(f"name: one\nextends: {other}\n")
    other.write_text(f"name: other\nextends: {one}\n")
    with pytest.raises(SettingsError, match="extends itself"):
        load_profile(str(one))
    other.write_text("name: other\nextends: nothing\n")
    with pytest.raises(SettingsError, match="no profile 'nothing'"):
        load_profile(str(one))


def test_defaults_lie_in_the_home_folder(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.catalog == f"sqlite:///{tmp_path}/lake/catalog.sqlite"
    for url in (settings.data_url, settings.blobs_url, settings.landing.url):
        assert url.startswith(str(tmp_path))


def test_relative_places_begin_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sdg.yaml").write_text(
        "profile: mine.yaml\ncatalog: sqlite:///db/c.sqlite\ndata_url: data\n"
        "blobs_url: s3://bucket/blobs\nlanding: {url: ../inbox}\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = load_settings(tmp_path)
    assert settings.profile == str(tmp_path / "mine.yaml")
    assert settings.catalog == f"sqlite:///{tmp_path}/db/c.sqlite"
    assert settings.data_url == str(tmp_path / "data")
    assert settings.blobs_url == "s3://bucket/blobs"
    assert Path(settings.landing.url).resolve() == tmp_path.parent / "inbox"


def test_samples_are_linked_to_where_they_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDG_SAMPLES_URL", "http://127.0.0.1:4001")  # as `sdg dev` sets it
    assert load_settings(tmp_path).samples_url == "http://127.0.0.1:4001"
    (tmp_path / "sdg.yaml").write_text("samples_url: https://lab.example/samples\n")
    assert load_settings(tmp_path).samples_url == "https://lab.example/samples"


def test_home_is_taken_from_the_environment(home: Path) -> None:
    assert home_folder() == home


def test_an_unknown_field_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "sdg.yaml").write_text("blob_url: s3://bucket\n")
    with pytest.raises(SettingsError, match=r"the settings file .*sdg\.yaml is wrong:\n  blob_url"):
        load_settings(tmp_path)


def test_yaml_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "sdg.yaml").write_text("profile: tiny: small\n")
    with pytest.raises(SettingsError, match=r"sdg\.yaml is not YAML: line 1, column 14: mapping"):
        load_settings(tmp_path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1,\n", "just words"])
def test_what_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sdg.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"sdg\.yaml"):
        load_settings(tmp_path)


def test_an_unknown_profile_says_which_there_are_and_where_its_own_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=rf"small, tiny, .* none at {tmp_path}/mine\.yaml: w"):
        load_profile("mine.yaml")
    (tmp_path / "mine.yaml").write_text("extends: tiny\nsede: 1\n")
    with pytest.raises(SettingsError, match=r"the profile .*mine\.yaml is wrong:\n  sede: no such"):
        load_profile("mine.yaml")


def test_a_setting_says_what_it_is_for() -> None:
    for field in Settings.model_fields.values():
        assert field.description
