"""`sdg corpora`: list, check and register."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.markup import escape

from sdg_assets.automation import admit
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.tables import console, print_rows
from sdg_assets.corpora import open_reader
from sdg_assets.corpora.base import CorpusError, Reject
from sdg_assets.corpora.config import CorpusConfig, load_corpus
from sdg_assets.corpora.keys import Partition
from sdg_assets.landing import describe_texts, survey
from sdg_assets.partitions import add_partitions
from sdg_assets.workspace import Workspace, open_workspace

CHECKED_ITEMS = 1000


def show_corpora() -> None:
    workspace = open_workspace()
    rows = [describe(config, workspace) for config in workspace.corpora.all().values()]
    print_rows(rows, "corpora")


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
        "rows": ", ".join(f"{stage} {count}" for stage, count in counts.items()),
    }


def check_files(files: Sequence[Path]) -> bool:
    """Whether every file is a corpus that gives at least one item in each language."""
    rows = []
    good = True
    for path in files:
        config = load_corpus(path)
        if config.kind == "mixture":
            console.print(f"{config.name}: a mixture of {', '.join(config.members)}")
            continue
        for language in config.languages:
            items, reasons, failure = try_reading(config, language)
            good = good and items > 0
            rows.append(
                {
                    "corpus": config.name,
                    "language": language,
                    "items": items,
                    "rejected": reasons.total(),
                    "why": failure or ", ".join(f"{n} × {why}" for why, n in reasons.items()),
                }
            )
    print_rows(rows, f"first {CHECKED_ITEMS} items of each corpus")
    return good


def try_reading(config: CorpusConfig, language: str) -> tuple[int, Counter[str], str]:
    """How many of the first items are usable, why the others are not, and what ended reading."""
    reasons: Counter[str] = Counter()
    items = 0
    try:
        for item in islice(open_reader(config).read(language), CHECKED_ITEMS):
            if isinstance(item, Reject):
                reasons[item.reason] += 1
            else:
                items += 1
    except CorpusError as error:
        return items, reasons, str(error)
    return items, reasons, ""


def register_files(files: Sequence[Path]) -> None:
    register([load_corpus(path) for path in files], open_workspace())


def register(configs: Iterable[CorpusConfig], workspace: Workspace) -> None:
    """Write each corpus into the home folder and add its partitions to the grid."""
    with open_instance() as instance:
        for config in configs:
            path = workspace.corpora.register(config)
            add_partitions([Partition(config.name, tag) for tag in config.languages], instance)
            console.print(
                f"registered {config.name} ({config.kind}; {', '.join(config.languages)}): {path}"
            )


def register_landed() -> None:
    """Register what lies in the landing folder as the landing sensor would, at once."""
    workspace = open_workspace()
    url = workspace.settings.landing.url
    folders, problems = survey(url, workspace.corpora)
    with open_instance() as instance:
        for folder in folders:
            config = admit(folder, workspace.corpora, url)
            add_partitions([folder.partition], instance)
            console.print(f"{folder.partition}: {folder.audio} audio files, {config.kind}")
            if note := describe_texts(folder, config):
                console.print(f"  [yellow]note[/yellow] {escape(note)}", soft_wrap=True)
    for problem in problems:
        console.print(f"[yellow]left out[/yellow] {escape(problem)}", soft_wrap=True)
    if folders:
        console.print("`sdg dev` ingests them, or `sdg run CORPUS/LANGUAGE`.")
    else:
        console.print(
            f"nothing to ingest in {url}: put audio into <corpus>/<language>/ there",
            soft_wrap=True,
        )
