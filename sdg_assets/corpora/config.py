"""A corpus as its YAML file describes it."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
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
from sdg_assets.corpora.layouts import AnyLayout
from sdg_assets.corpora.splits import SplitRule

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

    name: Name
    kind: Kind
    description: str = ""
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    reader: Annotated[AnyLayout, Field(discriminator="layout")] | None = None
    members: tuple[Name, ...] = Field(
        default=(), description="corpora that a mixture trains on together"
    )
    evaluate_on: tuple[Name, ...] = Field(
        default=(), description="corpora whose test split scores the checkpoint"
    )
    max_seconds: float = Field(default=120.0, gt=0, description="longer audio is quarantined")
    split: SplitRule = Field(default_factory=_default_split)

    def speaks(self, language: str) -> bool:
        return language in self.languages

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
        if repeated := _repeated(self.languages) or _repeated(self.members):
            raise ValueError(f"{repeated} is named twice: write it once")
        if self.kind == "mixture":
            self._check_mixture()
        else:
            self._check_collection()
        return self

    def _check_mixture(self) -> None:
        if not self.members:
            raise ValueError("a mixture needs `members`: the names of the corpora to train on")
        if self.name in self.members:
            raise ValueError("a mixture cannot be its own member: take it out of `members`")
        if self.reader is not None:
            raise ValueError("a mixture reads nothing itself: remove `reader`")

    def _check_collection(self) -> None:
        if self.reader is None:
            raise ValueError(f"a {self.kind} corpus needs a `reader` with a `layout` and a `path`")
        if self.members:
            raise ValueError("only a mixture has `members`: remove them, or set kind: mixture")
        if ALL_LANGUAGES in self.languages:
            raise ValueError(f"only a mixture has the language {ALL_LANGUAGES!r}: name each one")
        wanted = TextQALayout if self.kind == "text_qa" else SpeechLayout
        if not isinstance(self.reader, wanted):
            raise ValueError(
                f"the layout {self.reader.layout!r} does not hold {self.kind}: "
                f"use one of {', '.join(sorted(_layouts(wanted)))}"
            )
        groups = _TEXT_GROUPS if self.kind == "text_qa" else _SPEECH_GROUPS
        if self.split.by not in groups:
            raise ValueError(
                f"split.by cannot be {self.split.by!r} for {self.kind}: "
                f"use one of {', '.join(groups)}"
            )


def load_corpus(path: Path | str) -> CorpusConfig:
    """The corpus of a YAML file; relative paths in it are made absolute from the file's folder.

    Raises:
        CorpusError: the file cannot be read, is not YAML, or a field is unknown or wrong.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise CorpusError(f"{path} is not YAML: {error}") from error
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
        problems = "\n".join(f"  {_explain(problem)}" for problem in error.errors())
        raise CorpusError(f"{complaint}:\n{problems}") from error


def _repeated(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _layouts(base: type[Layout]) -> dict[str, type[Layout]]:
    """Layout names and classes of the registry, those derived from ``base``."""
    classes = get_args(AnyLayout)
    return {c.model_fields["layout"].default: c for c in classes if issubclass(c, base)}


def _explain(problem: Any) -> str:
    """One of pydantic's errors as `field: what is wrong: what to write instead`."""
    layouts = _layouts(Layout)
    loc = [part for part in problem["loc"] if part not in layouts and _is_field(part)]
    field = ".".join(map(str, loc)) or "(the whole file)"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _fields_beside(problem["loc"])
        close = get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        message = f"no such field; {hint}Fields here: {', '.join(known)}"
    elif problem["type"] == "missing":
        message = f"is missing: add `{loc[-1]}: ...`"
    elif problem["type"] == "union_tag_not_found":
        message = f"`layout` is missing: write one of {', '.join(sorted(layouts))}"
    elif problem["type"] == "union_tag_invalid":
        message = f"no layout {problem['ctx']['tag']!r}: write one of {', '.join(sorted(layouts))}"
    elif problem["type"] != "value_error":
        message = f"{message}, not {problem['input']!r}"
    return f"{field}: {message}"


def _is_field(part: str | int) -> bool:
    """Pydantic also names the branches of a union: ``str``, ``dict[...]``, ``function(...)``."""
    return isinstance(part, int) or not re.search(r"[\[(]|^str$", part)


def _fields_beside(loc: Iterable[str | int]) -> list[str]:
    """Names of the fields that the model of an unknown field has."""
    match tuple(loc):
        case ("reader", str(layout), _):
            model: type[BaseModel] = _layouts(Layout)[layout]
        case ("split", _):
            model = SplitRule
        case _:
            model = CorpusConfig
    return list(model.model_fields)
