"""What Dagster keeps of a materialisation."""

from typing import Any

import dagster as dg

from sdg_assets.commands.dagster_home import open_instance


def metadata_of(stage: str) -> dict[str, Any]:
    """Of the stage's newest materialisation."""
    with open_instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(stage))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}
