"""What Dagster says of launchpad configuration that is wrong, in a sentence for each error."""

from collections.abc import Sequence

import dagster as dg
from dagster._config import EvaluationError, FieldNotDefinedErrorData
from dagster._config.stack import EvaluationStackPathEntry

from sdg_assets.settings import SettingsError
from sdg_assets.stages import STAGES
from sdg_assets.stages.model_config import split_optional


def explain(error: dg.DagsterInvalidConfigError) -> SettingsError:
    problems = "; ".join(_explain_one(found) for found in error.errors)
    return SettingsError(f"the configuration is wrong: {problems}")


def _explain_one(error: EvaluationError) -> str:
    """Dagster's own words, but of an unknown field: they would show the whole schema."""
    path = [e.field_name for e in error.stack.entries if isinstance(e, EvaluationStackPathEntry)]
    if not isinstance(error.error_data, FieldNotDefinedErrorData) or path[2:3] != ["config"]:
        return error.message
    _, stage, _, *fields = path
    where = ".".join([stage, *fields])
    known = ", ".join(_list_fields(stage, fields))
    return f"{where} has no field {error.error_data.field_name!r}: write one of {known}"


def _list_fields(stage: str, path: Sequence[str]) -> list[str]:
    model: type[dg.Config] = {known.name: known.config for known in STAGES}[stage]
    for name in path:
        model, _ = split_optional(model.model_fields[name].annotation)
    return sorted(model.model_fields)
