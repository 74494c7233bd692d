"""`sdg demo`: the three methods and their mixture on the tiny world, in three languages.

A labelled, an unlabelled and a text corpus land, all of it goes through Dagster, one model is
trained per method and one on everything, and each is scored on spoken text and on speech.
"""

import time
from collections.abc import Sequence

from sdg_assets.commands.corpora import register
from sdg_assets.commands.demo_corpora import (
    LABELLED,
    LANGUAGES,
    METHODS,
    TEXT,
    UNLABELLED,
    corpora,
    land,
    mixture_name,
)
from sdg_assets.commands.invocation import program
from sdg_assets.commands.run import Outcome, run_stages, show, stages_of_kind
from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.workspace import Workspace, open_workspace


def run_demo() -> bool:
    """Whether everything went through; ends with the table of scores."""
    start = time.monotonic()
    workspace = open_workspace()
    console.rule("landing: three corpora of the tiny world")
    land(workspace)
    register(corpora(workspace), workspace)
    outcomes = []
    console.rule("three methods: from audio and text to training examples")
    for corpus in (LABELLED, UNLABELLED, TEXT):
        stages = stages_of_kind(workspace.corpus(corpus).kind, "training_examples")
        outcomes += [materialise(Partition(corpus, tag), stages) for tag in LANGUAGES]
    console.rule("one model per method, and one on the mixture")
    for method in METHODS:
        stages = stages_of_kind("mixture", "rouge_l_scores")
        outcomes.append(materialise(Partition(mixture_name(method), ALL_LANGUAGES), stages))
    if any(outcome.failed for outcome in outcomes):
        return False
    console.rule("what came of it")
    show_results(workspace)
    show_next(workspace, time.monotonic() - start)
    return True


def materialise(partition: Partition, stages: Sequence[str]) -> Outcome:
    outcome = run_stages(partition, stages)
    show(outcome)
    return outcome


def show_results(workspace: Workspace) -> None:
    """The tables that a person reads first."""
    for title, query in _TABLES.items():
        print_rows(workspace.lake.query(query).to_pylist(), title)


_TABLES = {
    "rows and hours": """
        SELECT corpus, language, count(*) AS utterances, round(sum(duration) / 3600, 3) AS hours
        FROM (SELECT corpus, language, duration FROM raw_audio
              UNION ALL SELECT corpus, language, duration FROM synthesized_speech)
        GROUP BY ALL ORDER BY ALL""",
    "examples": """
        SELECT corpus, language, split, count(*) AS examples
        FROM training_examples GROUP BY ALL ORDER BY ALL""",
    "dropped and quarantined": """
        SELECT corpus, 'filtered_qa' AS stage, reason, count(*) AS dropped
        FROM filtered_qa WHERE NOT kept GROUP BY ALL
        UNION ALL SELECT corpus, stage, reason, count(*) FROM quarantine GROUP BY ALL
        UNION ALL SELECT corpus, 'pseudo_labels', reason, count(*)
        FROM (SELECT corpus, unnest(flags) AS reason FROM pseudo_labels) GROUP BY ALL
        ORDER BY ALL""",
    "seconds per stage": """
        SELECT stage, sum(rows)::BIGINT AS rows, round(sum(seconds), 1) AS seconds,
            -- one row for each partition, as of a checkpoint, is no rate
            CASE WHEN sum(rows) > count(*) THEN round(sum(rows) / sum(seconds), 1) END
                AS rows_per_second
        FROM materializations WHERE corpus LIKE 'demo-%' GROUP BY ALL ORDER BY min(finished_at)""",
    "ROUGE-L by what it was trained on and what it was asked": """
        SELECT trained_on, eval_set, round(avg(rouge_l_untrained), 3) AS untrained,
            round(avg(rouge_l_audio_removed), 3) AS audio_removed,
            round(avg(rouge_l_cascade), 3) AS cascade,
            round(avg(rouge_l), 3) AS trained
        FROM (SELECT *, replace(corpus, 'demo-train-', '') AS trained_on FROM rouge_l_scores
              WHERE corpus LIKE 'demo-train-%')
        GROUP BY trained_on, eval_set
        ORDER BY list_position(['tts', 'labelled', 'pseudo', 'mixture'], trained_on), eval_set""",
}


def show_next(workspace: Workspace, seconds: float) -> None:
    example = workspace.lake.query(
        "SELECT corpus || '/' || language || '/' || example_id AS id FROM training_examples"
        " WHERE method = 'labelled' AND corpus = source_corpus AND split = 'test'"
        " ORDER BY id LIMIT 1"
    ).to_pylist()[0]["id"]
    console.print(f"\n{seconds / 60:.1f} minutes. Everything is in {workspace.home}. Look at it:")
    for command, gives in {
        "dev": "the web UI on http://127.0.0.1:3000: lineage, runs, plots, partitions",
        f"trace '{example}'": "one sample from its wav to its scores",
        'sql "SELECT * FROM rouge_l_scores LIMIT 5"': "any table",
        "calls": "what the models were asked, and what it cost",
    }.items():
        say("  ", (f"{program()} {command}", "bold"), f"\n      {gives}")
