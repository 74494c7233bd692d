"""Rows of other people's files, checked where they come in."""

from collections.abc import Iterable
from typing import TypeVar

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
        message = first["msg"].removeprefix("Value error, ")
        return Reject(item_id, "broken_row", f"{field}: {message}" if field else message, path)


class Columns(BaseModel):
    """Names of columns; one that is not given is looked for under its usual names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def find(
        self, usual: dict[str, tuple[str, ...]], present: Iterable[str], where: str
    ) -> dict[str, str]:
        """The column of each role that has one.

        Raises:
            CorpusError: a column that was named is not there.
        """
        present = list(present)
        found: dict[str, str] = {}
        for role, names in usual.items():
            named = getattr(self, role)
            if named is not None and named not in present:
                raise CorpusError(
                    f"{where} has no column {named!r}; it has {', '.join(present)}: "
                    f"correct `columns.{role}`"
                )
            column = named or next((name for name in names if name in present), None)
            if column is not None:
                found[role] = column
        return found


def require_columns(found: dict[str, str], roles: Iterable[str], where: str) -> None:
    """
    Raises:
        CorpusError: a role has no column.
    """
    for role in roles:
        if role not in found:
            raise CorpusError(
                f"{where} has no column for the {role} under its usual names: "
                f"name it in `columns.{role}`"
            )
