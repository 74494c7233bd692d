"""`sdg corpora layouts`, `sdg profiles`: what one may write in YAML, read off the models."""

import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sdg_assets.commands.invocation import program
from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.layout import Layout, SpeechLayout
from sdg_assets.corpora.layouts import LAYOUTS
from sdg_assets.corpora.rows import Columns
from sdg_assets.explaining import suggest
from sdg_assets.settings import load_profile, shipped_profiles


@dataclass(frozen=True, slots=True)
class Setting:
    """One field, as a person would write it in YAML."""

    name: str  # nested ones by dots
    default: str
    description: str


def show_layouts(name: str | None) -> None:
    """All of them, or the fields of one, and of the corpus around it.

    Raises:
        CorpusError: there is no such layout.
    """
    if name is None:
        rows = [
            {"layout": layout, "holds": _holds(model), "what it reads": _read_doc(model)[0]}
            for layout, model in LAYOUTS.items()
        ]
        print_rows(rows, "layouts")
        say(f"{program()} corpora layouts NAME: all that one may write for it")
        return
    if name not in LAYOUTS:
        raise CorpusError(
            f"no layout {name!r}: {suggest(name, list(LAYOUTS))}write one of {', '.join(LAYOUTS)}"
        )
    say((name, "bold"), f": {_holds(LAYOUTS[name])}")
    for paragraph in _read_doc(LAYOUTS[name]):
        show_text(paragraph, indent=2)
    say("\nWhat a corpus may say, nested fields by dots:")
    for setting in list_settings(make_example(name)):
        say("  ", (setting.name, "bold"), "  ", (setting.default, "dim"))
        show_text(setting.description, indent=6)


def show_profiles(name: str | None) -> None:
    """All that are shipped, or every field of one as YAML."""
    if name is None:
        print_rows(
            [{"profile": p, "what for": load_profile(p).description} for p in shipped_profiles()],
            "profiles",
        )
        return
    values = load_profile(name).model_dump(mode="json")
    console.print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), soft_wrap=True)


def show_text(text: str, indent: int) -> None:
    """Text as broad as the terminal."""
    for line in textwrap.wrap(text, console.width - indent):
        say(" " * indent, line)


def make_example(layout: str) -> CorpusConfig:
    """The least that one can write for a layout: all else has its default."""
    speech = issubclass(LAYOUTS[layout], SpeechLayout)
    kind = "labelled_speech" if speech else "text_qa"
    reader = {"layout": layout, "path": "."}
    values = {"name": "x", "kind": kind, "languages": ["en"], "reader": reader}
    return CorpusConfig.model_validate(values)


def list_settings(
    example: BaseModel, before: str = "", *, is_optional: bool = False
) -> Iterator[Setting]:
    """Every field with its default, those of nested models among them; what is required first.

    Args:
        is_optional: the example itself may be left out.
    """
    fields = type(example).model_fields.items()
    for name, info in sorted(fields, key=lambda field: not _is_written(field[1])):
        value = getattr(example, name)
        if isinstance(value, BaseModel):
            has_default = info.get_default() is not None or info.default_factory is not None
            yield from list_settings(value, f"{before}{name}.", is_optional=has_default)
        else:
            default = _describe_default(info, value, is_optional)
            yield Setting(before + name, default, _describe(example, name, info))


def _is_written(info: FieldInfo) -> bool:
    """Whether a field has no default, or is what tells its model from others."""
    is_tag = get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1
    return info.is_required() or is_tag


def _describe_default(info: FieldInfo, value: Any, is_optional: bool) -> str:
    if info.is_required() and not is_optional:
        return "required"
    if value is None:
        return "optional"
    return f"= {json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}"


def _describe(example: BaseModel, name: str, info: FieldInfo) -> str:
    told = [info.description, example.explain(name) if isinstance(example, Columns) else None]
    return "; ".join(filter(None, told))


def _holds(layout: type[Layout]) -> str:
    return "speech" if issubclass(layout, SpeechLayout) else "text questions"


def _read_doc(model: type[BaseModel]) -> list[str]:
    """The paragraphs of a docstring, without its marks for code."""
    text = (inspect.getdoc(model) or "").replace("``", "`")
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
