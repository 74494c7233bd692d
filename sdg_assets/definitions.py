"""The one Definitions object: every stage, its checks, the sensors, and the workspace they use.

A partition's chain is a line, so its steps run one after the other in one process: engines are
loaded once per run. Several partitions run at once as several runs.
"""

import dagster as dg

from sdg_assets.automation import sensors
from sdg_assets.checks import checks
from sdg_assets.resources import WorkspaceResource
from sdg_assets.stages import STAGES

defs = dg.Definitions(
    assets=[stage.to_asset() for stage in STAGES],
    asset_checks=checks,
    sensors=sensors,
    resources={"workspace": WorkspaceResource()},
    executor=dg.in_process_executor,
)
