"""`sdg demo`: the three methods and their mixture on the tiny world, in three languages.

A labelled, an unlabelled and a text corpus land, all of it goes through Dagster, one model is
trained per method and one on everything, and each is scored on spoken text and on speech.
"""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from sdg_assets.audio import encode_flac, resample
from sdg_assets.commands.corpora import register
from sdg_assets.commands.invocation import program
from sdg_assets.commands.run import Outcome, print_progress, run_stages, show, stages_upto
from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.progress import throttle, track
from sdg_assets.workspace import Workspace, open_workspace
from sdg_training.espeak import synthesize
from sdg_training.tiny.voices import TIMBRES, sample_voice
from sdg_training.tiny.world import Passage, Side, sample_passage

LANGUAGES = ("en", "de", "es")
LABELLED, UNLABELLED, TEXT = "demo-labelled", "demo-unlabelled", "demo-text"
METHODS = {
    "tts": (TEXT,),
    "labelled": (LABELLED,),
    "pseudo": (UNLABELLED,),
    "mixture": (TEXT, LABELLED, UNLABELLED),
}
# Text is about other things than speech: what one method teaches does not cover the other's test.
SPEECH_DOMAINS = ("shopping", "work")
TEXT_DOMAINS = ("travel",)
PASSAGES: dict[Side, int] = {"train": 120, "test": 30}  # per corpus and language
QUESTIONS = 4  # per passage of the text corpus
SEED = 7


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
        outcomes += [
            materialise(Partition(corpus, tag), stages_upto("training_examples"))
            for tag in LANGUAGES
        ]
    console.rule("one model per method, and one on the mixture")
    for method in METHODS:
        stages = ("training_examples", "trained_checkpoints", "rouge_l_scores")
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


def mixture_name(method: str) -> str:
    return f"demo-train-{method}"


def corpora(workspace: Workspace) -> list[CorpusConfig]:
    """The corpora as a user's YAML files would describe them."""
    landing = workspace.settings.landing.url
    held_out = sorted(TIMBRES["test"])
    speech = {"languages": LANGUAGES, "split": {"by": "speaker", "test_groups": held_out}}
    configs = [
        {
            "name": LABELLED,
            "kind": "labelled_speech",
            "description": "tiny world, spoken by eSpeak, with transcripts",
            "reader": {"layout": "folder", "path": f"{landing}/{LABELLED}/{{language}}"},
            **speech,
        },
        {
            "name": UNLABELLED,
            "kind": "unlabelled_speech",
            "description": "tiny world, spoken by eSpeak; its text is only measured against",
            "reader": {"layout": "folder", "path": f"{landing}/{UNLABELLED}/{{language}}"},
            **speech,
        },
        {
            "name": TEXT,
            "kind": "text_qa",
            "description": "tiny world, as text with questions",
            "languages": LANGUAGES,
            "reader": {"layout": "jsonl_qa", "path": f"{workspace.home}/demo/{{language}}.jsonl"},
            "split": {"by": "given"},
        },
        *(
            {
                "name": mixture_name(method),
                "kind": "mixture",
                "languages": [ALL_LANGUAGES],
                "members": members,
                "evaluate_on": [TEXT, LABELLED],
            }
            for method, members in METHODS.items()
        ),
    ]
    return [CorpusConfig.model_validate(config) for config in configs]


def land(workspace: Workspace) -> None:
    """Write the audio into the landing folder and the text beside it, as a user's data would lie.

    What is there already stays: passages, voices and names come from one seed.
    """
    landing = Path(workspace.settings.landing.url)
    plan = [
        (corpus, tag, side, number)
        for corpus in (LABELLED, UNLABELLED)
        for tag in LANGUAGES
        for side, count in PASSAGES.items()
        for number in range(count)
    ]
    for corpus, tag, side, number in track(plan, "spoken", throttle(print_progress, 5), len(plan)):
        speak(landing / corpus / tag, tag, side, number)
    for tag in LANGUAGES:
        write_text_qa(workspace.home / "demo" / f"{tag}.jsonl", tag)


def speak(folder: Path, language: str, side: Side, number: int) -> None:
    """The same recording in both corpora: they differ in what is known of it, and in that alone."""
    rng = random.Random(f"{SEED}|{language}|{side}|{number}")
    passage = sample_passage(rng, language, SPEECH_DOMAINS, side)
    voice = sample_voice(rng, language, side)
    path = folder / str(voice.variant) / f"{side}-{number:04d}.flac"
    if path.exists():
        return
    audio, rate = synthesize(passage.text, voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(passage.text, encoding="utf-8")
    path.write_bytes(encode_flac(resample(audio, rate)))


def write_text_qa(path: Path, language: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for side, count in PASSAGES.items():
        for number in range(count):
            rng = random.Random(f"{SEED}|{TEXT}|{language}|{side}|{number}")
            passage = sample_passage(rng, language, TEXT_DOMAINS, side)
            lines.append(json.dumps(text_record(passage, side, number), ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def text_record(passage: Passage, side: Side, number: int) -> dict[str, object]:
    return {
        "id": f"{side}-{number:04d}",
        "split": side,
        "context": passage.text,
        "questions": [
            {"question": pair.question, "answer": pair.answer}
            for pair in passage.questions[:QUESTIONS]
        ],
    }


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
            nullif(round(sum(rows) / sum(seconds), 1), 0) AS rows_per_second
        FROM materializations WHERE corpus LIKE 'demo-%' GROUP BY ALL ORDER BY min(finished_at)""",
    "ROUGE-L by what it was trained on and what it was asked": """
        SELECT trained_on, eval_set, count(*) AS questions,
            round(avg(rouge_l_untrained), 3) AS untrained,
            round(avg(rouge_l_audio_removed), 3) AS audio_removed,
            round(avg(rouge_l), 3) AS trained
        FROM (SELECT *, replace(corpus, 'demo-train-', '') AS trained_on FROM rouge_l_scores
              WHERE corpus LIKE 'demo-train-%')
        GROUP BY trained_on, eval_set
        ORDER BY list_position(['tts', 'labelled', 'pseudo', 'mixture'], trained_on), eval_set""",
}


def show_next(workspace: Workspace, seconds: float) -> None:
    example = workspace.lake.query(
        "SELECT corpus || '/' || language || '/' || example_id AS id FROM training_examples"
        " WHERE method = 'pseudo' AND corpus = source_corpus ORDER BY id LIMIT 1"
    ).to_pylist()[0]["id"]
    console.print(f"\n{seconds / 60:.1f} minutes. Everything is in {workspace.home}. Look at it:")
    for command, gives in {
        "dev": "the web UI on http://127.0.0.1:3000: lineage, runs, plots, partitions",
        f"trace '{example}'": "one sample from its wav to its scores",
        'sql "SELECT * FROM rouge_l_scores LIMIT 5"': "any table",
        "calls": "what the models were asked, and what it cost",
    }.items():
        say("  ", (f"{program()} {command}", "bold"), f"\n      {gives}")
