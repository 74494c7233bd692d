"""The factory: corpora, engines, stages, storage, and the Dagster code location."""

import sdg_training  # noqa: F401  (first of all: it decides how torch's threads wait)
