"""What the tiny LM is asked: ``<prompt>.<role>.jinja2``, without a system message where none is."""

from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

_ENVIRONMENT = Environment(undefined=StrictUndefined, autoescape=False)


def render_messages(prompt: str, **variables: str) -> list[dict[str, str]]:
    """The chat messages of ``answer`` (context, question), ``write_qa`` (context) or ``judge_qa``.

    ``judge_qa`` takes context, question and answer. Any prompt may be given ``language``.
    """
    return [
        {"role": role, "content": template.render(variables)}
        for role in ("system", "user")
        if (template := _load(prompt, role)) is not None
    ]


@cache
def _load(prompt: str, role: str) -> Template | None:
    source = resources.files(__package__).joinpath(f"{prompt}.{role}.jinja2")
    if not source.is_file():
        return None
    return _ENVIRONMENT.from_string(source.read_text(encoding="utf-8"))
