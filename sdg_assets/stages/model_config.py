"""A Dagster configuration class out of a pydantic model: what the launchpad offers of it.

Generated, so that it never lags behind the model. Every field may be left out: it says what is to
differ, and the model itself checks the result.
"""

import json
import types
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo


def make_config(model: type[BaseModel], unset: str) -> type[dg.Config]:
    """The configuration class of ``model``; ``unset`` says what a field that is left out means."""
    fields: dict[str, Any] = {
        name: _convert_field(f"{model.__name__}_{name}", info, unset)
        for name, info in model.model_fields.items()
    }
    name = f"{model.__name__}Config"
    return create_model(name, __base__=dg.Config, __doc__=model.__doc__, **fields)


def read_changes(config: dg.Config) -> dict[str, Any]:
    """What was set, as the model takes it."""
    changes: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    return changes


def list_fields(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _convert_field(key: str, info: FieldInfo, unset: str) -> tuple[Any, Any]:
    kind, optional = _split_optional(info.annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        config = make_config(kind, unset)
        told = f"{info.description or kind.__doc__} Fields: {list_fields(kind)}."
        if optional:
            return config | None, Field(None, description=told)
        return config, Field(config(), description=told)
    said = f"{info.description}. " if info.description else ""
    told = f"{said}{unset} (Default: {json.dumps(info.default)}.)"
    return _convert_type(key, kind) | None, Field(None, description=told)


def _split_optional(annotation: Any) -> tuple[Any, bool]:
    """The type without None, and whether None was among its options."""
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    if type(None) not in options:
        return annotation, False
    others = [option for option in options if option is not type(None)]
    return (others[0] if len(others) == 1 else Any), True


def _convert_type(key: str, kind: Any) -> Any:
    """What Dagster can tell of a type: names to choose from, one scalar, or anything.

    ``key`` is the type's name, and Dagster takes two of one name for the same.
    """
    if get_origin(kind) is Literal:
        return Enum(key, {option: option for option in get_args(kind)})
    return kind if kind in (str, int, float, bool) else Any
