"""The README of a checkpoint: what it is, what it learnt from, how, and how far to trust it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from sdg_training.lineage import Lineage
from sdg_training.recipe import Recipe

_SPEAKERS = 10  # that are named


def write_model_card(recipe: Recipe, metrics: Mapping[str, Any], lineage: Lineage | None) -> str:
    """Markdown with the metadata that model hubs read."""
    parts = [
        _write_metadata(recipe, metrics),
        _write_summary(recipe),
        _write_data(lineage, metrics),
        *([] if lineage is None else [_write_contamination(lineage)]),
        _write_training(recipe, metrics),
        _write_usage(),
    ]
    return "\n\n".join(parts) + "\n"


def _write_metadata(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    composition = metrics.get("composition", {})
    languages = sorted(composition.get("language", {}))
    metadata = {
        "library_name": "sdg",
        "pipeline_tag": "audio-text-to-text",
        "base_model": [name for name in (recipe.encoder, recipe.llm) if name != "tiny"],
        "language": languages or None,
        "datasets": sorted(composition.get("corpus", {})) or None,
        "tags": ["speech", "question-answering", "sdg"],
    }
    known = {name: value for name, value in metadata.items() if value}
    return f"---\n{yaml.safe_dump(known, sort_keys=False, allow_unicode=True)}---"


def _write_summary(recipe: Recipe) -> str:
    name = {"concat": "SALM", "cross_attention": "SALM-XATT"}[recipe.fusion.type]
    encoder = "kept as it was" if recipe.freeze_encoder else "trained"
    lora = f"LoRA of rank {recipe.lora.rank}" if recipe.lora.rank else "no LoRA"
    return (
        f"# {name}\n\nAnswers questions about speech. Speech encoder `{recipe.encoder}` "
        f"({encoder}), {recipe.adapter.type} adapter, LLM `{recipe.llm}` (frozen, {lora})."
    )


def _write_data(lineage: Lineage | None, metrics: Mapping[str, Any]) -> str:
    source = "A table of examples"
    if lineage is not None:
        source = (
            f"The training split of `{lineage.corpus}|{lineage.language}`, at version "
            f"{lineage.snapshot} of the lake (run `{lineage.run_id}`, sdg {lineage.code_version}, "
            f"checkpoint `{lineage.checkpoint_id}`)"
        )
    elif "table" in metrics:
        source = (
            f"The table `{metrics['table']}` (digest `{metrics['table_digest'][:12]}`), by sdg "
            f"{metrics['code_version']}"
        )
    composition = metrics.get("composition", {})
    lines = [f"## Data\n\n{source}. Examples that were used:"]
    lines += [
        _write_table((of, "examples"), composition.get(of, {}).items())
        for of in ("method", "corpus", "language")
    ]
    speakers = composition.get("speaker", {})
    named = ", ".join(f"{name} ({count})" for name, count in list(speakers.items())[:_SPEAKERS])
    lines.append(
        f"{len(speakers)} speakers or voices; those with most examples: {named}. "
        "All are in `metrics.json`."
    )
    return "\n\n".join(lines)


def _write_contamination(lineage: Lineage) -> str:
    heading = "## Contamination\n\nHow much of each evaluation set was in the training data."
    if not lineage.contamination:
        return f"{heading} Not known: no evaluation set was there when training began."
    head = ("evaluation set", "examples", *_CONTAMINATION)
    rows = [
        (name, found.examples, *(show(found) for show in _CONTAMINATION.values()))
        for name, found in lineage.contamination.items()
    ]
    return f"{heading}\n\n{_write_table(head, rows)}"


_CONTAMINATION = {
    "recordings": lambda found: found.recordings,
    "contexts": lambda found: found.exact_contexts,
    "8-grams of contexts": lambda found: f"{found.ngram_contexts:.1%}",
    "answers": lambda found: found.exact_answers,
    "8-grams of answers": lambda found: f"{found.ngram_answers:.1%}",
    "speakers": lambda found: len(found.speakers),
}


def _write_training(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    names = (
        "examples", "audio_hours", "updates", "seconds", "processes", "final_loss",
        "examples_per_second", "tokens_per_second", "padding_share", "trained_parameters",
        "parameters", "skipped", "validation", "kept_update",
    )  # fmt: skip
    figures = [(name, metrics[name]) for name in names if metrics.get(name) not in (None, {}, [])]
    recipe_text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    return (
        f"## Training\n\n{_write_table(('figure', 'value'), figures)}\n\n"
        "Loss curves are in `metrics.json` and, for TensorBoard, in `tensorboard/`. "
        "The recipe:\n\n"
        f"```yaml\n{recipe_text}```"
    )


def _write_usage() -> str:
    return (
        "## Use\n\n```python\nfrom sdg_training.checkpoint import load_checkpoint\n"
        "model, processor = load_checkpoint('this folder')\n```\n\n"
        "Once `sdg_training.salm` is imported, transformers' Auto classes load it as well. "
        'Or `sdg ask CHECKPOINT AUDIO "question"`.'
    )


def _write_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
