"""Which test examples a checkpoint of a corpus is asked, and how they are read."""

import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.corpora.mixtures import name_own
from sdg_assets.progress import Progress
from sdg_assets.stages.run import MissingInputError, StageRun

# What a sample is spread over: first over languages, at last over the recordings of one speaker.
_LEVELS = ("source_language", "source_corpus", "speaker", "audio_sha256")


def choose_evaluation_sets(corpus: CorpusConfig, named: Sequence[str] = ()) -> Sequence[str]:
    """Corpora: those named, else as this one's YAML says, else its members, else itself."""
    return named or corpus.evaluate_on or corpus.members or (corpus.name,)


def list_asked(corpus: CorpusConfig, language: str) -> list[Partition]:
    """The partitions of an evaluation set whose examples are asked in ``language``.

    ``mul``: those of all its languages, but where it is a mixture that unites them itself.
    """
    is_united = language in corpus.languages
    languages = corpus.languages if language == ALL_LANGUAGES and not is_united else (language,)
    return [Partition(corpus.name, each) for each in languages if each in corpus.languages]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    corpus: str
    examples: pa.Table  # those that are asked
    found: int

    def __str__(self) -> str:
        return f"{self.examples.num_rows} of {self.found}"


def choose_examples(run: StageRun, corpus: str, limit: int | None) -> EvaluationSet:
    """A corpus's test examples, or a sample of as many as ``limit``; tells of how many.

    Raises:
        MissingInputError: training_examples were not materialised for one of them.
    """
    started = time.monotonic()
    found = read_test_split(run, corpus)
    chosen = EvaluationSet(corpus, sample_examples(found, limit), found.num_rows)
    run.report(
        Progress(
            f"{run.stage} choosing test examples of {corpus}",
            chosen.examples.num_rows,
            chosen.examples.num_rows,
            time.monotonic() - started,
            note=str(chosen),
        )
    )
    return chosen


def read_test_split(run: StageRun, corpus: str) -> pa.Table:
    """Test examples of ``corpus`` in this language (``mul``: in all of its languages).

    Each is called as in its own corpus, also where a mixture is asked: so it is found by its id.

    Raises:
        MissingInputError: training_examples were not materialised for one of them.
    """
    asked = list_asked(run.workspace.corpus(corpus), run.language)
    for partition in asked:
        if not run.materialised("training_examples", partition):
            raise MissingInputError(
                f"the evaluation set {partition} has no training_examples yet: "
                "materialise that partition first"
            )
    rows = run.workspace.lake.read(
        "training_examples",
        where={
            "corpus": corpus,
            "language": [partition.language for partition in asked],
            "split": "test",
        },
        version=run.version,
        order_by=["language", "example_id"],
    )
    named = rows.select(["corpus", "language", "source_corpus", "source_language", "example_id"])
    names = pa.array(map(name_own, named.to_pylist()), pa.string())
    return rows.set_column(rows.schema.get_field_index("example_id"), "example_id", names)


def sample_examples(examples: pa.Table, limit: int | None) -> pa.Table:
    """At most ``limit`` of them in the order in which they stand, always the same ones.

    Every language has its fair share, and what a small one lacks the others have; so has every
    corpus of a language, speaker of a corpus (where one is not known, recording) and recording of a
    speaker. None: all of them.
    """
    levels = [
        (language, corpus, speaker or recording, recording)
        for language, corpus, speaker, recording in zip(
            *(examples[name].to_pylist() for name in _LEVELS), strict=True
        )
    ]
    order = np.random.default_rng(0).permutation(len(levels)).tolist()
    for depth in range(len(_LEVELS), 0, -1):
        order = _take_turns(order, [level[:depth] for level in levels])
    return examples.take(pa.array(sorted(order[:limit]), pa.int64()))


def _take_turns(order: Sequence[int], groups: Sequence[Hashable]) -> list[int]:
    """Rows in another order: of each group the first, then of each the second, and so on."""
    seen: Counter[Hashable] = Counter()
    turns: dict[int, int] = {}
    for row in order:
        turns[row] = seen[groups[row]]
        seen[groups[row]] += 1
    return sorted(order, key=turns.__getitem__)
