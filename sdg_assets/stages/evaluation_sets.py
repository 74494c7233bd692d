"""Which test examples a checkpoint of a corpus is asked, and how they are read."""

from collections.abc import Sequence

import pyarrow as pa

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.corpora.mixtures import name_own
from sdg_assets.stages.run import MissingInputError, StageRun


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


def read_test_split(run: StageRun, corpus: str, limit: int | None = None) -> pa.Table:
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
    rows = rows.slice(0, limit)
    named = rows.select(["corpus", "language", "source_corpus", "source_language", "example_id"])
    names = pa.array(map(name_own, named.to_pylist()), pa.string())
    return rows.set_column(rows.schema.get_field_index("example_id"), "example_id", names)
