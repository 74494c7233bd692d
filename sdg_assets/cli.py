"""`sdg`: what one does from a shell. Every command explains itself with ``--help``."""

import inspect
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdg_assets.errors import UserError
from sdg_assets.settings import HOME_VARIABLE

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The factory for spoken question answering data: audio and text in, trained model and "
    "ROUGE-L out. State lives in $SDG_HOME (default: .sdg).",
)
corpora_app = typer.Typer(no_args_is_help=True, help="List, check, register and remove corpora.")
languages_app = typer.Typer(no_args_is_help=True, help="List languages, or add one by backfill.")
app.add_typer(corpora_app, name="corpora")
app.add_typer(languages_app, name="languages")

CorpusFiles = Annotated[
    list[Path], typer.Argument(help="YAML files of corpora.", exists=True, dir_okay=False)
]

RowFormat = Annotated[str, typer.Option("--format", help="table, csv, or json: an object a line.")]
Checkpoint = Annotated[
    str,
    typer.Argument(
        help="A checkpoint's folder, its CORPUS/LANGUAGE, or its id (or how that begins) in the "
        "lake."
    ),
]


@app.callback()
def choose_home(
    home: Annotated[
        Path | None, typer.Option(help="Home folder; overrides $SDG_HOME.", file_okay=False)
    ] = None,
) -> None:
    if home is not None:
        os.environ[HOME_VARIABLE] = str(home)


@corpora_app.command("list")
def list_corpora(output: RowFormat = "table") -> None:
    """The registered corpora: kind, languages, reader, and how many rows each stage holds."""
    from sdg_assets.commands.corpora import show_corpora

    show_corpora(output)


@corpora_app.command("check")
def check_corpora(files: CorpusFiles) -> None:
    """Read each corpus for a while; say what would come in and how it is split. Changes nothing."""
    from sdg_assets.commands.corpora import check_files

    if not check_files(files):
        raise typer.Exit(1)


@corpora_app.command("register")
def register_corpora(files: CorpusFiles) -> None:
    """Check corpora, then add them to the home folder and their partitions to Dagster's grid."""
    from sdg_assets.commands.corpora import register_files

    register_files(files)


@corpora_app.command("remove")
def remove_corpus(
    name: Annotated[str, typer.Argument(help="A registered corpus.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove its rows too; without it, one that has any stays.")
    ] = False,
) -> None:
    """Take a corpus out of the home folder, and its partitions out of Dagster's grid.

    Source files stay, and so do old versions of the lake until `sdg gc --yes`.
    """
    from sdg_assets.commands.removal import remove

    remove(name, with_rows=yes)


@corpora_app.command("layouts")
def show_layouts(
    name: Annotated[str | None, typer.Argument(help="One of them, with all its fields.")] = None,
) -> None:
    """The layouts that a reader knows, or every field of one and of the corpus around it."""
    from sdg_assets.commands.describe import show_layouts

    show_layouts(name)


@app.command("profiles")
def show_profiles(
    name: Annotated[
        str | None, typer.Argument(help="One of them, or a YAML file: every field, as YAML.")
    ] = None,
) -> None:
    """The shipped profiles, or every setting of one: engines, limits and the training recipe."""
    from sdg_assets.commands.describe import show_profiles

    show_profiles(name)


@languages_app.command("list")
def list_languages() -> None:
    """Every language of a registered corpus, and which corpora speak it."""
    from sdg_assets.commands.languages import show_languages
    from sdg_assets.workspace import require_home

    require_home()
    show_languages()


@languages_app.command("add")
def add_language(
    language: Annotated[str, typer.Argument(help="A BCP-47 tag in lower case: es, pt-br.")],
    corpora: Annotated[
        str, typer.Option(help="Comma-separated corpora that have this language now.")
    ],
    upto: Annotated[str, typer.Option(help="Last stage to materialise.")] = "training_examples",
    wait: Annotated[bool, typer.Option(help="Follow the backfill until it ends.")] = False,
) -> None:
    """Register a language's partitions and launch a Dagster backfill over the chain.

    The backfill is run by Dagster's daemon: `make dev` (or `sdg dev`) must be up, or be started
    later; until then the backfill is queued.
    """
    from sdg_assets.commands.languages import add

    names = [name.strip() for name in corpora.split(",") if name.strip()]
    if not add(language, names, upto, wait=wait):
        raise typer.Exit(1)


@app.command("run")
def run_partition(
    partitions: Annotated[list[str], typer.Argument(help="CORPUS/LANGUAGE, one or several.")],
    upto: Annotated[str, typer.Option(help="Last stage to materialise.")] = "training_examples",
    only: Annotated[str | None, typer.Option(help="Just these stages, comma-separated.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile for every stage: a name or a YAML file.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Launchpad configuration, STAGE.FIELD=VALUE, the value in YAML; repeatable: "
            "--set text_qa.limit=50 --set trained_checkpoints.recipe='{epochs: 1}'.",
        ),
    ] = None,
) -> None:
    """Materialise partitions through Dagster in this process, with progress; no daemon needed."""
    from sdg_assets.commands.invocation import saying_how_to_go_on
    from sdg_assets.commands.run import run_partitions

    with saying_how_to_go_on():
        if not run_partitions(partitions, upto, only, profile, settings or []):
            raise typer.Exit(1)


@app.command("landing")
def landing() -> None:
    """Register the corpora and languages in the landing folder now; the sensor does it anyway."""
    from sdg_assets.commands.corpora import register_landed

    register_landed()


@app.command("sql")
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; tables by their bare names.")],
    output: RowFormat = "table",
) -> None:
    """Query the lake: `sdg sql "SELECT corpus, count(*) FROM training_examples GROUP BY ALL"`.

    The tables: `sdg sql "SHOW TABLES"`; the columns of one: `sdg sql "DESCRIBE raw_audio"`.

    An older version of a table: `... FROM training_examples AT (VERSION => 42)`.
    """
    from sdg_assets.commands.lake import run_query

    run_query(query, output)


@app.command("trace")
def trace(
    identifier: Annotated[
        str,
        typer.Argument(
            help="An id of an example, question, utterance, passage or item in quarantine, alone "
            "or as CORPUS/LANGUAGE/ID."
        ),
    ],
    output: Annotated[
        str, typer.Option("--format", help="text: what one reads; json: every fact.")
    ] = "text",
) -> None:
    """One sample's whole descent, from the source file to the scores it got.

    Each stage is shown as the stage below it read it, whatever was made again since.
    """
    from sdg_assets.commands.trace import show_trace

    show_trace(identifier, output)


@app.command("ask")
def ask(
    checkpoint: Checkpoint,
    audio: Annotated[
        Path, typer.Argument(help="A recording in any format.", exists=True, dir_okay=False)
    ],
    question: Annotated[str, typer.Argument(help="What to ask about it.")],
    beams: Annotated[int, typer.Option(min=1, help="Answers weighed against each other.")] = 1,
    compare: Annotated[
        bool, typer.Option(help="Also ask with the audio removed: what is only guessed.")
    ] = False,
) -> None:
    """Ask a trained speech LM about a recording: `sdg ask talks/en a.wav "What did Ann buy?"`.

    The ids: `sdg sql "SELECT corpus, language, checkpoint_id FROM trained_checkpoints"`.
    """
    from sdg_assets.commands.ask import ask_about

    ask_about(checkpoint, audio, question, beams, compare=compare)


@app.command("dataset")
def dataset(
    partition: Annotated[str, typer.Argument(help="CORPUS/LANGUAGE, a mixture's among them.")],
    target: Annotated[Path, typer.Argument(help="The new folder.")],
) -> None:
    """Write a partition's training_examples as files: for another program, or for a colleague.

    TARGET/audio has each recording once, as FLAC. For each split there are SPLIT.jsonl (a NeMo
    manifest with question and answer beside the text) and SPLIT.parquet, which
    `python -m sdg_training.train` takes as `examples`, with TARGET as `blobs`.
    """
    from sdg_assets.commands.dataset import write_dataset

    write_dataset(partition, target)


@app.command("export")
def export(
    checkpoint: Checkpoint,
    target: Annotated[Path, typer.Argument(help="The new folder.")],
) -> None:
    """Merge a checkpoint's LoRA into its LLM, and put every weight it needs beside it.

    For use elsewhere: `SALMForConditionalGeneration.from_pretrained` loads it with neither peft nor
    the encoder and LLM that it was trained from.
    """
    from sdg_assets.commands.export import export as export_to

    export_to(checkpoint, target)


@app.command("leaderboard")
def leaderboard(
    by: Annotated[
        str, typer.Option(help="set, or also language or method: what scores are told apart by.")
    ] = "set",
    output: RowFormat = "table",
) -> None:
    """Each partition's checkpoint on its evaluation sets: mean ROUGE-L, with how sure it is.

    A partition has one checkpoint. To compare recipes, register a mixture of the same members for
    each, and train each by its own.

    Beside `trained` (± half of what the mean lies within 19 times of 20): the same checkpoint
    before training, with no audio or that of another recording, and a recognizer with the bare LLM
    (cascade). n: questions. The interval is for speakers who were not heard where at least five
    speak, else for other recordings of these: `intervals over` says which. csv and json have its
    bounds, every measure of each condition, the limit and the beams.
    """
    from sdg_assets.commands.leaderboard import show_leaderboard

    show_leaderboard(by, output)


@app.command("calls")
def calls(
    by: Annotated[
        str, typer.Option(help="stage, engine or partition: what calls are told apart by.")
    ] = "stage",
    output: RowFormat = "table",
) -> None:
    """What the engines were asked: calls, failures, seconds, tokens, and cost where it is known."""
    from sdg_assets.commands.lake import show_calls

    show_calls(by, output)


@app.command("gc")
def collect_garbage(
    days: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Keep what is younger than this, whether or not anything refers to it (blobs and "
            "stopped trainings: one day at least); default: keep_snapshots_days of sdg.yaml.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only say what.")] = False,
) -> None:
    """Remove old snapshots, blobs that no row refers to and trainings that were stopped.

    What a checkpoint needs stays.
    """
    from sdg_assets.commands.lake import run_gc

    run_gc(days, dry_run=not yes)


@app.command("dev")
def dev(
    port: Annotated[
        int,
        typer.Option(
            help="Port of the web UI; samples are on 4000, else 1000 more.", min=1, max=64535
        ),
    ] = 3000,
    host: Annotated[str, typer.Option(help="Address that the web UI listens on.")] = "127.0.0.1",
) -> None:
    """Start the Dagster web UI and daemon on this home folder; Ctrl-C stops both."""
    from sdg_assets.commands.dev import start

    raise typer.Exit(start(host, port))


@app.command("demo")
def demo() -> None:
    """The whole chain on the tiny world, in three languages: land, generate, train, score."""
    from sdg_assets.commands.demo import run_demo
    from sdg_assets.commands.invocation import saying_how_to_go_on

    with saying_how_to_go_on():
        if not run_demo():
            raise typer.Exit(1)


def unbreak_help(*apps: typer.Typer) -> None:
    """A paragraph of a docstring is one line: Typer would keep the line breaks of the source."""
    for command in (command for each in apps for command in each.registered_commands):
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)


unbreak_help(app, corpora_app, languages_app)


def main() -> None:
    try:
        app()
    except (UserError, OSError) as error:  # whatever else is raised is a bug
        typer.secho(f"error: {error}", err=True, fg="red")
        sys.exit(1)
