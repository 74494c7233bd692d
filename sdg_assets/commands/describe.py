"""`sdg corpora layouts`, `sdg profiles`: what one may write in YAML, read off the models."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.layout import SpeechLayout
from sdg_assets.corpora.layouts import LAYOUTS
from sdg_assets.explaining import suggest
from sdg_assets.settings import load_profile, shipped_profiles


def show_layouts(name: str | None) -> None:
    """All of them, or the fields of one, and of the corpus around it.

    Raises:
        CorpusError: there is no such layout.
    """
    if name is None:
        rows = [
            {
                "layout": layout,
                "holds": "speech" if issubclass(model, SpeechLayout) else "text questions",
                "what it reads": _summarise(model),
            }
            for layout, model in LAYOUTS.items()
        ]
        print_rows(rows, "layouts")
        return
    if name not in LAYOUTS:
        raise CorpusError(
            f"no layout {name!r}: {suggest(name, list(LAYOUTS))}write one of {', '.join(LAYOUTS)}"
        )
    say(("reader", "bold"), f"  {inspect.getdoc(LAYOUTS[name])}")
    show_fields(LAYOUTS[name])
    say(("the corpus around it", "bold"))
    show_fields(CorpusConfig)


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


def show_fields(model: type[BaseModel]) -> None:
    for field, default, told in list_fields(model):
        say("  ", (field, "bold"), (f" = {default}" if default else "", "dim"), f"  {told}")


def list_fields(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default (empty where it must be written) and description, nested ones by dots."""
    for name, info in model.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from list_fields(nested, f"{before}{name}.")
        else:
            yield before + name, _default(info), info.description or ""


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "" if info.default_factory is None else "{}"
    return json.dumps(_plain(info.default), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _summarise(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").split("\n\n")[0].replace("\n", " ")
