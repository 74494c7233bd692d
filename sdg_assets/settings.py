"""Typed configuration: where everything is (`Settings`) and with what it is made (`Profile`).

All state lives under one home folder: ``$SDG_HOME``, or ``.sdg`` in the working folder. Its
``sdg.yaml`` holds what differs from the defaults; a missing file means the defaults.
"""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

import fsspec
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sdg_assets.engines import ASRConfig, LLMConfig, TTSConfig
from sdg_assets.errors import UserError
from sdg_assets.explaining import explain, explain_yaml
from sdg_assets.quality.pseudo_labels import PseudoLabelThresholds
from sdg_assets.quality.qa_rules import QARules
from sdg_training.recipe import Recipe

Model = TypeVar("Model", bound=BaseModel)
HOME_VARIABLE = "SDG_HOME"
SAMPLES_VARIABLE = "SDG_SAMPLES_URL"  # `sdg dev` sets it where it serves them elsewhere
SAMPLES_URL = "http://127.0.0.1:4000"
SETTINGS_FILE = "sdg.yaml"
_SQLITE = "sqlite:///"
# Dagster and DuckLake put the home's path into URLs, where these mean something else.
_NOT_IN_PATHS = "?%\\"


class SettingsError(UserError):
    """A configuration file is wrong: says which file, which field, and what to write instead."""


def _check_url(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme and scheme not in fsspec.available_protocols():
        raise ValueError(
            f"no storage is known as {scheme}://: write a folder, s3://BUCKET/PREFIX or another "
            "URL that fsspec knows"
        )
    return url


def _check_data_url(url: str) -> str:
    if urlsplit(url).scheme not in ("", "file", "s3"):
        raise ValueError(f"{url!r} is neither a folder nor s3://BUCKET/PREFIX")
    return url


Url = Annotated[str, AfterValidator(_check_url)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Profile(_Strict):
    """A named set of engines, prompts, quality limits and training settings."""

    name: str
    description: str = ""
    seed: int = 0
    asr: ASRConfig
    llm: LLMConfig
    tts: TTSConfig
    prompts: str = Field("v1", description="version of the prompt templates")
    pairs_per_context: int = Field(4, ge=1, le=20, description="QA pairs asked for per context")
    judge: bool = Field(True, description="ask the LLM whether each generated answer is right")
    chunk: int = Field(
        64, ge=1, description="calls recorded at once: what a crash can cost at most"
    )
    max_failed_share: float = Field(
        1.0, gt=0, le=1, description="a stage fails when so many of its engine calls have failed"
    )
    min_seconds: float = Field(0.2, gt=0, description="shorter audio is quarantined")
    pseudo_labels: PseudoLabelThresholds = PseudoLabelThresholds()
    qa_rules: QARules = QARules()
    recipe: Recipe = Recipe()
    evaluation_limit: int | None = Field(
        None,
        ge=1,
        description="score at most this many examples of each evaluation set: always the same "
        "ones, spread over languages and speakers",
    )


class Landing(_Strict):
    """Where audio is dropped, and how long a folder must be quiet before it counts as whole."""

    url: Url = Field(default="{home}/landing", description="a folder or bucket: an fsspec URL")
    quiet_seconds: float = Field(
        default=10.0, ge=0, description="files that have not changed for so long are whole"
    )
    max_partitions_per_tick: int = Field(
        default=50, ge=1, description="runs that the sensor asks for at once, at most"
    )


class Settings(_Strict):
    """Where everything is. ``{home}`` stands for the home folder; relative paths begin there."""

    profile: str = Field("tiny", description="a shipped profile's name, or the path of a YAML file")
    catalog: str = Field(
        "sqlite:///{home}/lake/catalog.sqlite",
        description="DuckLake catalog: sqlite:///PATH, or postgres://USER@HOST/DATABASE",
    )
    data_url: Annotated[str, AfterValidator(_check_data_url)] = Field(
        "{home}/lake/data", description="Parquet files: a folder or s3://..."
    )
    blobs_url: Url = Field("{home}/blobs", description="audio and checkpoints: an fsspec URL")
    landing: Landing = Field(Landing(), description="where audio is dropped")
    samples_url: str = Field(
        SAMPLES_URL,
        description="where browsers find the pages to listen to samples; by default where "
        "`sdg dev` serves them",
    )
    keep_snapshots_days: float = Field(7.0, ge=0, description="`sdg gc` keeps newer snapshots")

    def locate_sample(self, corpus: str, language: str, example_id: str) -> str:
        """The URL of an example's page."""
        return f"{self.samples_url}/{quote(corpus)}/{language}/{quote(example_id)}"


def home_folder() -> Path:
    """``$SDG_HOME``, else ``.sdg`` in the working folder; absolute.

    Raises:
        SettingsError: nothing can be kept in a folder of that name.
    """
    home = Path(os.environ.get(HOME_VARIABLE, ".sdg")).expanduser().resolve()
    if wrong := set(_NOT_IN_PATHS).intersection(str(home)):
        raise SettingsError(
            f"the home folder {home} has {' and '.join(sorted(wrong))} in its path, which "
            "databases take for part of an address: choose another with "
            f"${HOME_VARIABLE} or --home"
        )
    return home


def load_settings(home: Path) -> Settings:
    """Settings of ``home`` with ``{home}`` filled in.

    Raises:
        SettingsError: ``sdg.yaml`` is not YAML, or a field is unknown or wrong.
    """
    values = read_yaml(home / SETTINGS_FILE) if (home / SETTINGS_FILE).exists() else {}
    settings = validate(Settings, values, f"the settings file {home / SETTINGS_FILE}")
    catalog = _fill(settings.catalog, "catalog", home)
    if catalog.startswith(_SQLITE):
        catalog = _SQLITE + str(home / catalog.removeprefix(_SQLITE))
    is_shipped = settings.profile in shipped_profiles()
    profile = settings.profile if is_shipped else str(home / Path(settings.profile).expanduser())
    landing = {"url": _locate(settings.landing.url, "landing.url", home)}
    served = os.environ.get(SAMPLES_VARIABLE, SAMPLES_URL)
    return settings.model_copy(
        update={
            "profile": profile,
            "catalog": catalog,
            "data_url": _locate(settings.data_url, "data_url", home),
            "blobs_url": _locate(settings.blobs_url, "blobs_url", home),
            "landing": settings.landing.model_copy(update=landing),
            "samples_url": served if settings.samples_url == SAMPLES_URL else settings.samples_url,
        }
    )


def _locate(template: str, field: str, home: Path) -> str:
    """A URL as it is, or the absolute path of a folder."""
    place = _fill(template, field, home)
    return place if "://" in place else str(home / place)


def _fill(template: str, field: str, home: Path) -> str:
    """``template`` with ``{home}`` filled in.

    Raises:
        SettingsError: it asks for anything else.
    """
    for name in re.findall(r"{(\w*)}", template):
        if name != "home":
            raise SettingsError(
                f"{home / SETTINGS_FILE}: {field}: nothing is known as {{{name}}}: only {{home}} "
                "is filled in"
            )
    return template.replace("{home}", str(home))


def shipped_profiles() -> tuple[str, ...]:
    folder = resources.files("sdg_assets") / "profiles"
    return tuple(
        sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))
    )


@lru_cache(maxsize=16)
def load_profile(name_or_path: str) -> Profile:
    """A shipped profile by name, or any profile by the path of its YAML file.

    What a profile leaves out is as in the one that its field ``extends`` names.

    Raises:
        SettingsError: there is no such profile, or a field is unknown or wrong.
    """
    path = _locate_profile(name_or_path)
    return validate(Profile, _read_profile(path), f"the profile {path}")


def merge_fields(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``, and what of their nested fields is not changed.

    An engine of another backend has fields of its own: it is replaced as a whole.
    """
    if changes.get("backend", base.get("backend")) != base.get("backend"):
        return dict(changes)
    nested = {
        name: merge_fields(base[name], value)
        for name, value in changes.items()
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
    }
    return {**base, **changes, **nested}


def _locate_profile(name_or_path: str, folder: Path = Path()) -> Path:
    """Of a shipped profile, or of a file; relative to ``folder``."""
    if name_or_path in shipped_profiles():
        return Path(str(resources.files("sdg_assets") / "profiles" / f"{name_or_path}.yaml"))
    path = folder / Path(name_or_path).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"no profile {name_or_path!r}: there are {', '.join(shipped_profiles())}; one of your "
            f"own is a YAML file of any name, and there is none at {path.absolute()}: write it "
            "there, `extends: tiny` and what differs, or correct the path"
        )
    return path


def _read_profile(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Its fields, and what it leaves out as in the profile that it extends."""
    if path in extending:
        raise SettingsError(f"{path} extends itself: {' -> '.join(map(str, extending))}")
    values = read_yaml(path)
    extended = values.pop("extends", None)
    if extended is None:
        return values
    base = _locate_profile(str(extended), path.parent)
    return merge_fields(_read_profile(base, (*extending, path)), values)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {explain_yaml(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold `field: value` lines, not {type(values).__name__}")
    return values


def validate(model: type[Model], values: Any, file: str) -> Model:
    """``values`` as ``model``; the error names the file, each field and what was wrong with it.

    Args:
        file: what it is and where, for a person.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(f"  {problem}" for problem in explain(error, model))
        raise SettingsError(f"{file} is wrong:\n{problems}") from error
