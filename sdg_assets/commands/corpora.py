"""`sdg corpora`: list, check and register."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from sdg_assets.automation import admit, read_ingested
from sdg_assets.commands.checking import HEARD_ITEMS, READ_SECONDS, Preview, preview
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.invocation import program
from sdg_assets.commands.removal import count_rows, describe_rows, forget
from sdg_assets.commands.tables import (
    check_format,
    console,
    print_as,
    print_figures,
    print_rows,
    say,
)
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig, load_corpora
from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.mixtures import find_gaps
from sdg_assets.corpora.splits import Split
from sdg_assets.explaining import spell_count
from sdg_assets.landing import describe_texts, survey
from sdg_assets.partitions import add_partitions
from sdg_assets.storage.tables import TABLES
from sdg_assets.workspace import Workspace, open_workspace, require_home


def show_corpora(output: str) -> None:
    check_format(output)
    workspace = open_workspace(require_home())
    rows = [describe(config, workspace) for config in workspace.corpora.all().values()]
    table = partial(print_figures, empty="no corpus yet: `sdg corpora register FILE` adds one")
    print_as(output, rows, list(rows[0]) if rows else [], table)


def describe(config: CorpusConfig, workspace: Workspace) -> dict[str, Any]:
    done = workspace.lake.read(
        "materializations", where={"corpus": config.name}, columns=["stage", "rows"]
    ).to_pylist()
    counts: Counter[str] = Counter()
    for row in done:
        counts[row["stage"]] += row["rows"]
    source = ", ".join(config.sources) if config.reader is None else config.reader.layout
    return {
        "corpus": config.name,
        "kind": config.kind,
        "languages": " ".join(config.languages),
        "examples": counts["training_examples"],
        "reader_or_members": source,
        "rows": ", ".join(f"{table} {counts[table]}" for table in TABLES if table in counts),
    }


def check_files(files: Sequence[Path]) -> bool:
    """Whether every corpus could be registered; says what would come in of each.

    A mixture may name what is registered, and what stands in ``files``.
    """
    return check(load_files(files), open_workspace())


def load_files(files: Sequence[Path]) -> list[CorpusConfig]:
    return [config for path in files for config in load_corpora(path)]


def check(configs: Sequence[CorpusConfig], workspace: Workspace) -> bool:
    previews = [
        preview(config, language)
        for config in configs
        if config.kind != "mixture"
        for language in config.languages
    ]
    show_previews(previews)
    known = workspace.corpora.all() | {config.name: config for config in configs}
    problems = []
    for config in configs:
        found = find_kind_conflict(config, workspace)
        if config.kind == "mixture":
            say(f"{config.name}: a mixture of {', '.join(config.sources)}")
            found += find_gaps(config, known)
        for problem in found:
            say(("wrong", "red"), f" {config.name}: {problem}")
        problems += found
    return not problems and not any(each.problem for each in previews)


def show_previews(previews: Sequence[Preview]) -> None:
    """What comes in, and how it is split."""
    if not previews:
        return
    read = f"read for {READ_SECONDS:g} s at most; the first {HEARD_ITEMS} items were listened to"
    print_rows([describe_items(each) for each in previews], read)
    for each in previews:
        if not each.problem:
            name = f"{each.config.name}/{each.language}"
            say((name, "bold"), f"  split by {each.config.split.by}: {describe_split(each)}")
        if each.warning:
            say("  ", ("warning", "yellow"), f" {each.warning}")


def describe_items(preview: Preview) -> dict[str, Any]:
    return {
        "corpus": preview.config.name,
        "language": preview.language,
        "items": preview.items,
        "rejected": preview.rejected.total(),
        "why": preview.problem or preview.reasons,
    }


def describe_split(preview: Preview) -> str:
    """Items and speakers or passages of each set."""
    sets = ", ".join(describe_set(preview, split) for split in get_args(Split))
    return sets if preview.is_whole else f"{sets}; only the first {preview.read} were read"


def describe_set(preview: Preview, split: Split) -> str:
    items = preview.count_items(split)
    return f"{split} {items} ({preview.count_groups(split)})" if items else f"{split} 0"


def register_files(files: Sequence[Path]) -> None:
    """
    Raises:
        CorpusError: they would not pass :func:`check_files`. Nothing was registered.
    """
    configs, workspace = load_files(files), open_workspace()
    if not check(configs, workspace):
        raise CorpusError("nothing was registered: mend what is wrong above")
    register(configs, workspace)


def register(configs: Iterable[CorpusConfig], workspace: Workspace) -> None:
    """Write each corpus into the home folder and add its partitions to the grid.

    Raises:
        CorpusError: of one that is registered as another kind there are rows. Nothing was
            registered.
    """
    configs = list(configs)
    before = workspace.corpora.all()
    for config in configs:
        for conflict in find_kind_conflict(config, workspace):
            raise CorpusError(f"{config.name}: {conflict}")
    with open_instance() as instance:
        for config in configs:
            old = before.get(config.name, config)
            if old.kind != config.kind:
                forget(workspace.lake, config.name)
            path = workspace.corpora.register(config)
            add_partitions([Partition(config.name, tag) for tag in config.languages], instance)
            say(f"registered {config.name} ({config.kind}; {', '.join(config.languages)}): {path}")
            for change in list_changes(old, config):
                say(f"  {change}")


def find_kind_conflict(config: CorpusConfig, workspace: Workspace) -> list[str]:
    """Why a corpus cannot be registered as that kind: there are rows of it as another."""
    before = workspace.corpora.find(config.name)
    if before is None or before.kind == config.kind:
        return []
    rows = count_rows(workspace.lake, config.name)
    if not rows:
        return []
    return [
        f"it is registered as {before.kind}, and the lake has rows of it ({describe_rows(rows)}): "
        f"register the {config.kind} under another name, or `{program()} corpora remove "
        f"{config.name} --yes` first"
    ]


def list_changes(before: CorpusConfig, after: CorpusConfig) -> list[str]:
    """Each field that is another now, as ``field: old -> new``."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    return [
        f"{name}: {' -> '.join(json.dumps(value, ensure_ascii=False) for value in pair)}"
        for name, pair in changed.items()
    ]


def register_landed() -> None:
    """Register what lies in the landing folder as the landing sensor would, at once."""
    workspace = open_workspace(require_home())
    url = workspace.settings.landing.url
    folders, problems = survey(url, workspace.corpora)
    ingested = read_ingested(workspace)
    waiting = 0
    with open_instance() as instance:
        for folder in folders:
            config = admit(folder, workspace.corpora, url)
            add_partitions([folder.partition], instance)
            is_new = folder.modified > ingested.get(str(folder.partition), 0.0)
            waiting += is_new
            console.print(
                f"{folder.partition}: {spell_count(folder.audio, 'audio file')}, {config.kind}, "
                f"{'not ingested yet' if is_new else 'ingested'}"
            )
            if note := describe_texts(folder, config):
                say("  ", ("note", "yellow"), f" {note}")
    for problem in problems:
        say(("left out", "yellow"), f" {problem}")
    if waiting:
        console.print("`sdg dev` ingests what is new, or `sdg run CORPUS/LANGUAGE`.")
    elif not folders:
        console.print(
            f"nothing to ingest in {url}: put audio into <corpus>/<language>/ there",
            soft_wrap=True,
        )
