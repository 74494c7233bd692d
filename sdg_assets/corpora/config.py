"""A corpus as its YAML file describes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.keys import (
    ALL_LANGUAGES,
    LANGUAGE_TAG,
    check_corpus_name,
    check_language_tag,
)
from sdg_assets.corpora.layout import FOLDER, Layout, SpeechLayout, TextQALayout
from sdg_assets.corpora.layouts import LAYOUTS, AnyLayout
from sdg_assets.corpora.splits import SplitRule
from sdg_assets.explaining import explain, explain_yaml

Kind = Literal["labelled_speech", "unlabelled_speech", "text_qa", "mixture"]
_TEXT_GROUPS = ("passage", "given")
_SPEECH_GROUPS = ("speaker", "utterance", "given")


def _check_language(tag: str) -> str:
    likely = tag.strip().lower().replace("_", "-")
    if tag != likely and LANGUAGE_TAG.fullmatch(likely):
        raise ValueError(f"{tag!r} is not a BCP-47 tag in lower case: write {likely!r}")
    return check_language_tag(tag)


def _explain_bare_no(tag: Any) -> Any:
    if tag is False:
        raise ValueError("YAML reads a bare `no` as false: write 'no' in quotes for Norwegian")
    return tag


Name = Annotated[str, AfterValidator(check_corpus_name)]
Language = Annotated[str, AfterValidator(_check_language), BeforeValidator(_explain_bare_no)]


def _default_split(fields: dict[str, Any]) -> SplitRule:
    return SplitRule(by="passage" if fields.get("kind") == "text_qa" else "speaker")


class CorpusConfig(BaseModel):
    """A named collection; each of its languages is one partition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="lower-case letters, digits, - and _")
    kind: Kind = Field(description=", ".join(get_args(Kind)))
    description: str = Field("", description="for people")
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = Field(
        description="BCP-47 tags in lower case; of a mixture also mul, all of its members' together"
    )
    reader: Annotated[AnyLayout, Field(discriminator="layout")] | None = None
    members: tuple[Name, ...] = Field(
        default=(), description="corpora that a mixture trains on together"
    )
    transcribe: tuple[Name, ...] = Field(
        default=(),
        description="labelled_speech that a mixture learns to write down as well, as often as "
        "recipe.tasks.asr says; no question about it is needed",
    )
    evaluate_on: tuple[Name, ...] = Field(
        default=(), description="corpora whose test split scores the checkpoint"
    )
    max_seconds: float = Field(
        default=120.0, gt=0, description="longer recordings of a speech corpus are quarantined"
    )
    split: SplitRule = Field(default_factory=_default_split)

    @property
    def sources(self) -> tuple[str, ...]:
        """The corpora that a mixture is made of."""
        return tuple(dict.fromkeys((*self.members, *self.transcribe)))

    def speaks(self, language: str) -> bool:
        return language in self.languages

    @property
    def needs_tags(self) -> bool:
        """Whether nothing but an item's own tag says which of its languages the item is in."""
        return len(self.languages) > 1 and not (self.reader and self.reader.parts_languages)

    def with_language(self, language: str) -> "CorpusConfig":
        """The same corpus, which has ``language`` too.

        Raises:
            CorpusError: it cannot have that language.
        """
        if self.speaks(language):
            return self
        values = {**self.model_dump(), "languages": (*self.languages, language)}
        return make_corpus(values, f"{self.name} cannot have the language {language!r}")

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Self:
        named = (self.languages, self.members, self.transcribe)
        if repeated := next(filter(None, map(_repeated, named)), None):
            raise ValueError(f"{repeated} is named twice: write it once")
        if self.kind == "mixture":
            self._check_mixture()
        else:
            self._check_collection()
        return self

    def _check_mixture(self) -> None:
        if not self.members:
            raise ValueError("a mixture needs `members`: the names of the corpora to train on")
        if self.name in self.sources:
            raise ValueError("a mixture cannot be its own member: take it out of its lists")
        if self.reader is not None:
            raise ValueError("a mixture reads nothing itself: remove `reader`")

    def _check_collection(self) -> None:
        if self.reader is None:
            raise ValueError(f"a {self.kind} corpus needs a `reader` with a `layout` and a `path`")
        for field in ("members", "transcribe"):
            if getattr(self, field):
                raise ValueError(f"only a mixture has `{field}`: remove it, or set kind: mixture")
        if ALL_LANGUAGES in self.languages:
            raise ValueError(f"only a mixture has the language {ALL_LANGUAGES!r}: name each one")
        wanted = TextQALayout if self.kind == "text_qa" else SpeechLayout
        if not isinstance(self.reader, wanted):
            raise ValueError(
                f"the layout {self.reader.layout!r} does not hold {self.kind}: "
                f"use one of {', '.join(_layouts(wanted))}"
            )
        if len(self.languages) > 1 and not self.reader.tells_languages:
            raise ValueError(
                "each of its languages would be made of the same files: write {language} where "
                f"their paths differ, or name one language ({', '.join(self.languages)})"
            )
        groups = _TEXT_GROUPS if self.kind == "text_qa" else _SPEECH_GROUPS
        if self.split.by not in groups:
            raise ValueError(
                f"split.by cannot be {self.split.by!r} for {self.kind}: "
                f"use one of {', '.join(groups)}"
            )


def load_corpora(path: Path | str) -> list[CorpusConfig]:
    """The corpora of a YAML file, which are separated by ``---``.

    Relative paths in it are made absolute from the file's folder.

    Raises:
        CorpusError: the file cannot be read, is not YAML, holds no corpus or one of them twice, or
            a field is unknown or wrong.
    """
    path = Path(path)
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise CorpusError(f"{path} is not YAML: {explain_yaml(error)}") from error
    configs = [_parse(document, path) for document in documents if document is not None]
    if not configs:
        raise CorpusError(f"{path} is empty: describe a corpus, `name: ...` first")
    if repeated := _repeated(tuple(config.name for config in configs)):
        raise CorpusError(f"{path} describes the corpus {repeated} twice: keep one of them")
    return configs


def load_corpus(path: Path | str) -> CorpusConfig:
    """The corpus of a YAML file that holds just one.

    Raises:
        CorpusError: see :func:`load_corpora`; or there are several.
    """
    configs = load_corpora(path)
    if len(configs) > 1:
        raise CorpusError(f"{path} describes {len(configs)} corpora where one is expected")
    return configs[0]


def _parse(values: Any, path: Path) -> CorpusConfig:
    if not isinstance(values, dict):
        raise CorpusError(f"{path} must hold `field: value` lines such as `name: librispeech`")
    return make_corpus(values, f"{path} does not describe a corpus", path.absolute().parent)


def make_corpus(
    values: Mapping[str, Any], complaint: str, folder: Path | None = None
) -> CorpusConfig:
    """The corpus of these fields; relative paths are as seen from ``folder``.

    Raises:
        CorpusError: ``complaint``, and which field is unknown or wrong.
    """
    context = {FOLDER: str(folder)} if folder else None
    try:
        return CorpusConfig.model_validate(values, context=context)
    except ValidationError as error:
        problems = "\n".join(f"  {problem}" for problem in explain(error, CorpusConfig))
        named = f" ({values['name']})" if isinstance(values.get("name"), str) else ""
        raise CorpusError(f"{complaint}{named}:\n{problems}") from error


def _repeated(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _layouts(base: type[Layout]) -> list[str]:
    """Names of the registry's layouts, those derived from ``base``."""
    return sorted(name for name, layout in LAYOUTS.items() if issubclass(layout, base))
