"""Rows of other people's files, checked where they come in."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sdg_assets.corpora.base import CorpusError, Reject


class Row(BaseModel):
    """What is needed of one row; other fields are left alone, and numbers may stand for text."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, allow_inf_nan=False)


AnyRow = TypeVar("AnyRow", bound=Row)


def parse_row(model: type[AnyRow], value: object, item_id: str, path: str) -> AnyRow | Reject:
    """``value`` as ``model``, or a Reject that says which field is wrong and how."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = _describe(first["type"], first["msg"], first["input"])
        return Reject(item_id, "broken_row", f"{field}: {message}" if field else message, path)


def _describe(kind: str, message: str, value: object) -> str:
    """What is wrong with a field, without the names of Python's types."""
    match kind:
        case "missing":
            return "is missing"
        case "string_type" if value is None:
            return "is empty"
        case "string_type":
            return f"is no text: {_shorten(value)}"
        case "tuple_type" | "list_type":
            return f"is no list: {_shorten(value)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"is no object with fields: {_shorten(value)}"
        case "too_short" | "string_too_short":
            return "is empty"
        case "value_error":
            return message.removeprefix("Value error, ")
        case _:
            return f"{message[:1].lower()}{message[1:]}: {_shorten(value)}"


def _shorten(value: object) -> str:
    return textwrap.shorten(repr(value), 60, placeholder=" ...")


class Columns(BaseModel):
    """Names of columns by role; one that is not given is looked for under its usual names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usual: ClassVar[Mapping[str, tuple[str, ...]]]
    required: ClassVar[tuple[str, ...]]

    @classmethod
    def explain(cls, role: str) -> str:
        """Under which names the column of ``role`` is looked for."""
        must = "; there must be one" if role in cls.required else ""
        return f"a column; by default the first that there is of {', '.join(cls.usual[role])}{must}"

    def find(self, present: Sequence[str], where: str) -> dict[str, str]:
        """The column of each role that has one.

        Raises:
            CorpusError: a column that was named is not there, or a required one is not found.
        """
        found: dict[str, str] = {}
        for role, names in self.usual.items():
            named = getattr(self, role)
            if named is not None and named not in present:
                raise CorpusError(
                    f"{where} has no column {named!r}; it has {', '.join(present)}: "
                    f"correct `columns.{role}`"
                )
            column = named or next((name for name in names if name in present), None)
            if column is not None:
                found[role] = column
            elif role in self.required:
                raise CorpusError(
                    f"{where} has no column {' or '.join(names)}; it has {', '.join(present)}: "
                    f"name the right one in `columns.{role}`"
                )
        return found
