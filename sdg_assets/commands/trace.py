"""`sdg trace`: a sample's descent on about two screens; `--format json` leaves nothing out."""

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import yaml
from rich.markup import escape
from rich.text import Text

from sdg_assets.commands.tables import check_choice, console, write_json
from sdg_assets.leaderboard import FURTHER
from sdg_assets.trace import Step, trace
from sdg_assets.workspace import open_workspace
from sdg_training.recipe import Recipe

FORMATS = ("text", "json")
ROWS = 8  # of one stage that are shown, when a whole utterance or passage is asked for

# What a person need not read: it is said in the heading, or is for machines.
_LEFT_OUT = frozenset(
    {"corpus", "language", "key", "segments", "request", "response", "parameters", "composition",
     "recipe", "metrics", "fingerprint", "run_id", "created_at", "code_version", "level_dbfs",
     "peak", "silence_share", "source_corpus", "source_language", "kind", "trained_on",
     "trained_at"}
) | FURTHER  # fmt: skip
# Of a checkpoint's metrics; the curves are in its metrics.json and in `--format json`.
_TRAINING = ("final_loss", "updates", "seconds", "examples_per_second", "skipped")
# Of several rows of one stage, one line each.
_LINES: Mapping[str, tuple[str, ...]] = {
    "text_qa": ("qa_id", "split", "question", "answer"),
    "generated_qa": ("qa_id", "question", "answer"),
    "filtered_qa": ("qa_id", "kept", "reason", "verdict"),
    "training_examples": ("corpus", "language", "example_id", "split"),
    "rouge_l_scores": (
        "corpus", "language", "example_id", "rouge_l", "rouge_l_audio_removed",
        "rouge_l_untrained", "prediction",
    ),
    "model_calls": ("engine", "stage", "seconds", "output_tokens", "key"),
}  # fmt: skip


def show_trace(identifier: str, output: str) -> None:
    check_choice(output, FORMATS, "--format")
    steps = trace(open_workspace(read_only=True).lake, identifier)
    if output == "json":
        write_json([step.to_dict() for step in steps])
        return
    for line in render(steps, console.width if console.is_terminal else _PIPED_WIDTH):
        console.print(Text.from_markup(line, emoji=False), soft_wrap=True)


_PIPED_WIDTH = shutil.get_terminal_size((100, 24)).columns


def render(steps: Sequence[Step], width: int) -> Iterator[str]:
    """Lines in rich's markup; a fact that was shown before with the same value is not repeated."""
    shown: dict[str, Any] = {}
    for stage, group in groupby(steps, key=attrgetter("stage")):
        members = list(group)
        if len(members) > 1 and stage in _LINES:
            yield _render_heading(members[0], f"{len(members)} rows")
            yield from _render_lines(members, width)
        else:
            for step in members:
                where = (step.facts.get("corpus"), step.facts.get("language"))
                yield _render_heading(step, "|".join(filter(None, where)))
                yield from _render_facts(step, shown, width)


def _render_heading(step: Step, said: str) -> str:
    mark = "  ↳" if step.stage == "model_calls" else "●"
    return f"{mark} [bold]{step.stage}[/bold]  [dim]{escape(said)}[/dim]"


def _render_lines(steps: Sequence[Step], width: int) -> Iterator[str]:
    columns = _LINES[steps[0].stage]
    for note in dict.fromkeys(step.note for step in steps if step.note):
        yield from _render_fact("note", note, len("note"), width)
    yield f"    [dim]{' · '.join(columns)}[/dim]"
    for step in steps[:ROWS]:
        cells = [_format(step.facts[name]) for name in columns if name in step.facts]
        yield from _hang(" · ".join(cells), "    ", "      ", width)
    if len(steps) > ROWS:
        yield f"    ... and {len(steps) - ROWS} more: --format json shows all"


def _render_facts(step: Step, shown: dict[str, Any], width: int) -> Iterator[str]:
    facts = {**_summarise(step), **({"note": step.note} if step.note else {})}
    fresh = {
        name: value
        for name, value in facts.items()
        if name not in _LEFT_OUT and value != "" and shown.get(name) != value
    }
    label = max(map(len, fresh), default=0)
    for name, value in fresh.items():
        yield from _render_fact(name, value, label, width)
    shown |= fresh


def _summarise(step: Step) -> dict[str, Any]:
    """What a step's longer facts come to."""
    facts = step.facts
    made = step.made
    told: dict[str, Any] = {}
    if made:
        told["made"] = f"{made['finished_at']:%F %T} UTC by run {made['run_id']}"
    match step.stage:
        case "model_calls":
            parameters = json.loads(facts["parameters"])
            told["model"] = f"{parameters['name']} @ {parameters['revision']}"
            if facts["kind"] == "llm" and "response" in facts:
                told["said"] = json.loads(facts["response"])["text"]
        case "trained_checkpoints":
            metrics = json.loads(facts["metrics"])
            told["training"] = ", ".join(
                f"{name} {_format(metrics[name])}" for name in _TRAINING if name in metrics
            )
            told["recipe differs in"] = describe_recipe(json.loads(facts["recipe"]))
    return {**facts, **told}


def describe_recipe(recipe: Mapping[str, Any]) -> str:
    """The fields that are not the defaults, as YAML in one line."""
    changes = _differ(recipe, Recipe().model_dump(mode="json"))
    return yaml.safe_dump(changes, default_flow_style=True, width=10**6, sort_keys=False).strip()


def _differ(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in values.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            inner = _differ(value, default)
            changes |= {name: inner} if inner else {}
        elif name not in defaults or value != default:
            changes[name] = value
    return changes


def _render_fact(name: str, value: Any, label: int, width: int) -> Iterator[str]:
    """Label and value; a value that does not fit beside its label stands below it, unbroken."""
    text = _format(value)
    head = f"    {name:<{label}}  "
    indent = " " * len(head)
    longest = max(map(len, text.split()), default=0)
    if longest > width - len(head):
        yield f"    [dim]{name}[/dim]"
        yield from _hang(text, "      ", "      ", width)
        return
    first, *rest = _hang(text, "", indent, width, used=len(head))
    yield f"    [dim]{name:<{label}}[/dim]  {first}"
    yield from rest


def _hang(text: str, first: str, rest: str, width: int, used: int = 0) -> list[str]:
    """``text`` in lines of ``width``, all but the first ``rest`` indented; words stay whole."""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first or " " * used,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = lines or [first]
    return [escape(line[used:] if n == 0 else line) for n, line in enumerate(lines)]


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())
