"""The prompts: versioned Jinja templates, ``<version>/<task>.<role>.jinja2``.

Version ``tiny`` is what the embedded tiny LM was trained on, so it lives beside that model. The
method's authors did not publish their prompts (arXiv 2406.12946, section 3): ``v1`` is our own.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

from jinja2 import Environment, StrictUndefined, Template, UndefinedError

from sdg_assets.engines.base import Message
from sdg_assets.errors import UserError
from sdg_assets.quality.languages import language_name

Role = Literal["system", "user"]

TASKS = ("write_qa", "judge_qa")

_TINY = "tiny"
_ROLES: tuple[Role, ...] = ("system", "user")
_ENVIRONMENT = Environment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


class PromptError(UserError):
    """There is no such prompt, or a variable of it is missing: says what there is."""


def versions() -> tuple[str, ...]:
    """The versions there are, sorted."""
    folders = [each for each in resources.files(__name__).iterdir() if each.is_dir()]
    own = [folder.name for folder in folders if _read_templates(folder, TASKS[0])]
    return tuple(sorted([*own, _TINY]))


def prompt_version(task: str, version: str) -> str:
    """The version with a hash of the task's templates: ``v1@0f3a91bc``.

    It is part of a call's key in the ledger, so an edited template asks the LLM anew.

    Raises:
        PromptError: there is no such task or version.
    """
    digest = hashlib.sha256()
    for role, source in _load(task, version).items():
        digest.update(f"{role}\0{source}\0".encode())
    return f"{version}@{digest.hexdigest()[:8]}"


def render(task: str, version: str, **variables: object) -> tuple[Message, ...]:
    """The messages to send; a version without a system template has no system message.

    ``write_qa`` takes ``context``, ``language`` and ``count``; ``judge_qa`` takes ``context``,
    ``language``, ``question`` and ``answer``. ``language_name`` follows from ``language``. Values
    are inserted as they are and never read as templates.

    Raises:
        PromptError: there is no such task or version, or a variable is missing.
    """
    if "language" in variables:
        variables = {"language_name": language_name(str(variables["language"])), **variables}
    try:
        return tuple(
            Message(role, _compile(source).render(variables))
            for role, source in _load(task, version).items()
        )
    except UndefinedError as error:
        given = ", ".join(sorted(variables)) or "none"
        raise PromptError(f"prompt {task} {version}: {error.message}; given: {given}") from error


@cache
def _load(task: str, version: str) -> Mapping[Role, str]:
    if task not in TASKS:
        raise PromptError(f"there is no prompt for {task!r}; there are: {', '.join(TASKS)}")
    if version not in versions():
        raise PromptError(
            f"there is no version {version!r} of the prompts: {', '.join(versions())}"
        )
    return _read_templates(_find_folder(version), task)


@cache
def _compile(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)


def _find_folder(version: str) -> Traversable:
    if version == _TINY:
        return resources.files("sdg_training.tiny").joinpath("prompts")
    return resources.files(__name__).joinpath(version)


def _read_templates(folder: Traversable, task: str) -> dict[Role, str]:
    files = {role: folder.joinpath(f"{task}.{role}.jinja2") for role in _ROLES}
    return {role: file.read_text("utf-8") for role, file in files.items() if file.is_file()}
