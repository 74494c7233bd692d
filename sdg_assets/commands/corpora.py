"""`sdg corpora`: list, check and register."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sdg_assets.audio import AudioError, decode
from sdg_assets.automation import admit
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora import open_reader
from sdg_assets.corpora.base import CorpusError, Reject, SourceUtterance
from sdg_assets.corpora.config import CorpusConfig, load_corpora
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.explaining import suggest
from sdg_assets.landing import describe_texts, spell_count, survey
from sdg_assets.partitions import add_partitions
from sdg_assets.storage.tables import TABLES
from sdg_assets.workspace import Workspace, open_workspace, require_home

CHECKED_ITEMS = 1000
HEARD_ITEMS = 20


def show_corpora() -> None:
    workspace = open_workspace(require_home())
    rows = [describe(config, workspace) for config in workspace.corpora.all().values()]
    print_rows(rows, "corpora", empty="none yet: `sdg corpora register FILE` adds one")


def describe(config: CorpusConfig, workspace: Workspace) -> dict[str, Any]:
    done = workspace.lake.read(
        "materializations", where={"corpus": config.name}, columns=["stage", "rows"]
    ).to_pylist()
    counts: Counter[str] = Counter()
    for row in done:
        counts[row["stage"]] += row["rows"]
    source = ", ".join(config.members) if config.reader is None else config.reader.layout
    return {
        "corpus": config.name,
        "kind": config.kind,
        "languages": " ".join(config.languages),
        "reader or members": source,
        "rows": ", ".join(f"{table} {counts[table]}" for table in TABLES if table in counts),
    }


def check_files(files: Sequence[Path]) -> bool:
    """Whether every corpus gives at least one item in each language, and every mixture is whole.

    A mixture may name what is registered, and what stands in ``files``.
    """
    configs = [config for path in files for config in load_corpora(path)]
    known = {**open_workspace().corpora.all(), **{config.name: config for config in configs}}
    collections = [config for config in configs if config.kind != "mixture"]
    rows = [check_language(config, tag) for config in collections for tag in config.languages]
    if rows:
        print_rows(
            rows,
            f"first {CHECKED_ITEMS} items of each corpus; {HEARD_ITEMS} of them were listened to",
        )
    problems = []
    for config in configs:
        if config.kind == "mixture":
            problems += (found := find_gaps(config, known))
            say(f"{config.name}: a mixture of {', '.join(config.members)}")
            for problem in found:
                say("  ", ("wrong", "red"), f" {problem}")
    return not problems and all(row["items"] for row in rows)


def check_language(config: CorpusConfig, language: str) -> dict[str, Any]:
    items, reasons, failure = try_reading(config, language)
    return {
        "corpus": config.name,
        "language": language,
        "items": items,
        "rejected": reasons.total(),
        "why": failure or ", ".join(f"{n} × {why}" for why, n in reasons.items()),
    }


def find_gaps(mixture: CorpusConfig, known: Mapping[str, CorpusConfig]) -> list[str]:
    """What a mixture names that is not there, or has none of its languages."""
    gaps = []
    for field, names in (("members", mixture.members), ("evaluate_on", mixture.evaluate_on)):
        for name in names:
            if name not in known:
                near = suggest(name, list(known))
                gaps.append(f"{field}: no corpus {name!r} is registered or in these files; {near}")
    members = [known[name] for name in mixture.members if name in known]
    gaps += [
        f"languages: none of its members has {language}"
        for language in mixture.languages
        if members and language != ALL_LANGUAGES and not any(m.speaks(language) for m in members)
    ]
    return [gap.rstrip("; ") for gap in gaps]


def try_reading(config: CorpusConfig, language: str) -> tuple[int, Counter[str], str]:
    """How many of the first items are usable, why the others are not, and what ended reading.

    The audio of the first :data:`HEARD_ITEMS` is decoded; of the others its file is not opened.
    """
    reasons: Counter[str] = Counter()
    items = 0
    try:
        first = islice(open_reader(config).read(language), CHECKED_ITEMS)
        for number, item in enumerate(first):
            fault = item.reason if isinstance(item, Reject) else None
            if isinstance(item, SourceUtterance) and number < HEARD_ITEMS:
                fault = _find_fault(item, config)
            if fault:
                reasons[fault] += 1
            else:
                items += 1
    except CorpusError as error:
        return items, reasons, str(error)
    return items, reasons, ""


def _find_fault(item: SourceUtterance, config: CorpusConfig) -> str | None:
    try:
        decode(item.audio, config.max_seconds)
    except AudioError as error:
        return error.reason
    return None


def register_files(files: Sequence[Path]) -> None:
    register([config for path in files for config in load_corpora(path)], open_workspace())


def register(configs: Iterable[CorpusConfig], workspace: Workspace) -> None:
    """Write each corpus into the home folder and add its partitions to the grid.

    Raises:
        CorpusError: one is registered already, as another kind. Nothing was registered.
    """
    configs = list(configs)
    before = workspace.corpora.all()
    for config in configs:
        check_kind(config, before.get(config.name))
    with open_instance() as instance:
        for config in configs:
            path = workspace.corpora.register(config)
            add_partitions([Partition(config.name, tag) for tag in config.languages], instance)
            say(f"registered {config.name} ({config.kind}; {', '.join(config.languages)}): {path}")
            for change in list_changes(before.get(config.name, config), config):
                say(f"  {change}")


def check_kind(config: CorpusConfig, before: CorpusConfig | None) -> None:
    """
    Raises:
        CorpusError: the corpus is there already, as another kind.
    """
    if before is not None and before.kind != config.kind:
        raise CorpusError(
            f"{config.name} is registered as {before.kind}, and what was made of it stays: "
            f"register the {config.kind} under another name"
        )


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
    with open_instance() as instance:
        for folder in folders:
            config = admit(folder, workspace.corpora, url)
            add_partitions([folder.partition], instance)
            console.print(
                f"{folder.partition}: {spell_count(folder.audio, 'audio file')}, {config.kind}"
            )
            if note := describe_texts(folder, config):
                say("  ", ("note", "yellow"), f" {note}")
    for problem in problems:
        say(("left out", "yellow"), f" {problem}")
    if folders:
        console.print("`sdg dev` ingests them, or `sdg run CORPUS/LANGUAGE`.")
    else:
        console.print(
            f"nothing to ingest in {url}: put audio into <corpus>/<language>/ there",
            soft_wrap=True,
        )
