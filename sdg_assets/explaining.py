"""What is wrong with a configuration, field by field, for the person who wrote it."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

Part = str | int


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Each mistake as ``field: what is wrong: what to write instead``."""
    problems = error.errors(include_url=False)
    return [_explain_one(problem, model) for problem in problems if _is_own(problem, problems)]


def explain_yaml(error: YAMLError) -> str:
    """Where a text is no YAML, and why: ``line 2, column 8: mapping values are not allowed here``.

    PyYAML names the text, which it calls ``<unicode string>``; the caller knows what it is.
    """
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, ReaderError):
        return f"character {error.position + 1}: {error.reason}"
    return str(error)


def spell_count(number: int, what: str) -> str:
    """
    >>> spell_count(1, "text"), spell_count(2, "text")
    ('1 text', '2 texts')
    """
    return f"{number} {what}{'s' * (number != 1)}"


def suggest(name: str, known: Sequence[str]) -> str:
    """``did you mean `kind`? `` where something known is close, else nothing."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`? " if close else ""


def _is_own(problem: Any, problems: Sequence[Any]) -> bool:
    """Whether it is a mistake in itself.

    Pydantic also reports what follows from one: a default that is made from other fields, a
    sequence that is too short without its wrong members.
    """
    if problem["type"] == "default_factory_not_called":
        return False
    depth = len(problem["loc"])
    inside = any(p["loc"][:depth] == problem["loc"] and len(p["loc"]) > depth for p in problems)
    return not (problem["type"] == "too_short" and inside)


def _explain_one(problem: Any, model: type[BaseModel]) -> str:
    path, beside, models = _follow(problem["loc"], model)
    field = ".".join(map(str, path)) or "(the whole file)"
    message = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "extra_forbidden":
            known = list(beside.model_fields)
            hint = suggest(str(path[-1]), known)
            message = f"no such field; {hint}Fields here: {', '.join(known)}"
        case "missing":
            message = f"is missing: add `{path[-1]}: ...`"
        case "union_tag_not_found" | "union_tag_invalid":
            name = problem["ctx"]["discriminator"].strip("'")
            tags = ", ".join(sorted(tag for each in models for tag in _tags(each, name)))
            tag = problem["ctx"].get("tag")
            wrong = f"`{name}` is missing" if tag is None else f"no {name} {tag!r}"
            message = f"{wrong}: write one of {tags}"
        case "tuple_type" | "list_type" if isinstance(problem["input"], str):
            message = f"write a list: [{problem['input']}]"
        case "tuple_type" | "list_type":
            message = f"write a list, not {problem['input']!r}"
        case "value_error":
            pass
        case _:
            message = f"{message}, not {problem['input']!r}"
    return f"{field}: {message}"


def _follow(
    loc: Sequence[Part], model: type[BaseModel]
) -> tuple[list[Part], type[BaseModel], list[type[BaseModel]]]:
    """Where an error is, as a person would write it.

    Pydantic also names the branch of a union and the validator that was called.

    Returns:
        The names of fields and numbers of entries alone, the model that the last of them is a
        field of, and the models that its value may be.
    """
    path: list[Part] = []
    beside, models = model, [model]
    for part in loc:
        owner = next((each for each in models if part in each.model_fields), None)
        branch = [each for each in models if part in _tags(each)]
        if owner is not None:
            path.append(part)
            beside, models = owner, list(_models(owner.model_fields[str(part)].annotation))
        elif branch:
            models = branch
        elif not _is_type(part):
            path.append(part)
            beside = models[0] if models else beside
    return path, beside, models


def _is_type(part: Part) -> bool:
    return part == "str" or any(mark in str(part) for mark in "[(")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Those that a value of this type is, or is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tags(model: type[BaseModel], name: str | None = None) -> set[Any]:
    """The values that tell ``model`` from the others of a union, by the field ``name`` or any."""
    return {
        value
        for field, info in model.model_fields.items()
        if get_origin(info.annotation) is Literal and (name is None or field == name)
        for value in get_args(info.annotation)[:1]
        if len(get_args(info.annotation)) == 1
    }
