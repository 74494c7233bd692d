"""Which test examples a checkpoint of a corpus is asked, and how they are read."""

from collections.abc import Sequence

import pyarrow as pa

from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.corpora.mixtures import name_own
from sdg_assets.stages.run import MissingInputError, StageRun


def name_evaluation_sets(run: StageRun, named: Sequence[str] = ()) -> Sequence[str]:
    """Corpora: those named, else as this one's YAML says, else its members, else itself."""
    return named or run.corpus.evaluate_on or run.corpus.members or (run.corpus.name,)


def read_test_split(run: StageRun, corpus: str, limit: int | None = None) -> pa.Table:
    """Test examples of ``corpus`` in this language (``mul``: in all of its languages).

    Each is called as in its own corpus, also where a mixture is asked: so it is found by its id.

    Raises:
        MissingInputError: training_examples were not materialised for one of them.
    """
    known = run.workspace.corpus(corpus).languages
    is_united = run.language in known  # a mixture's `mul` holds its other languages' examples
    languages = known if run.language == ALL_LANGUAGES and not is_united else (run.language,)
    for language in languages:
        partition = Partition(corpus, language)
        if language in known and not run.materialised("training_examples", partition):
            raise MissingInputError(
                f"the evaluation set {partition} has no training_examples yet: "
                "materialise that partition first"
            )
    rows = run.workspace.lake.read(
        "training_examples",
        where={"corpus": corpus, "language": list(languages), "split": "test"},
        version=run.version,
        order_by=["language", "example_id"],
    )
    rows = rows.slice(0, limit)
    named = rows.select(["corpus", "language", "source_corpus", "source_language", "example_id"])
    names = pa.array(map(name_own, named.to_pylist()), pa.string())
    return rows.set_column(rows.schema.get_field_index("example_id"), "example_id", names)
