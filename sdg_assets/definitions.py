"""The one Definitions object: every stage, its checks, the sensors, and the workspace they use.

A partition's chain is a line, so its steps run one after the other in one process: engines are
loaded once per run. Several partitions run at once as several runs.
"""

import dagster as dg

from sdg_assets.automation import sensors
from sdg_assets.checks import checks
from sdg_assets.partitions import grid
from sdg_assets.resources import WorkspaceResource
from sdg_assets.stages import STAGES

# What a job's backfill says is what its runs say; one of assets calls each stage that does not
# apply a failure. So a backfill over many kinds of corpora, from the web UI, is one of this job.
examples_job = dg.define_asset_job(
    "examples",
    selection=[stage.name for stage in STAGES if stage.pool != "training"],
    partitions_def=grid,
    description="Every stage down to training_examples. Backfill any partitions here: a stage "
    "that a corpus does not have is skipped, and the backfill succeeds.",
)

defs = dg.Definitions(
    assets=[stage.to_asset() for stage in STAGES],
    asset_checks=checks,
    jobs=[examples_job],
    sensors=sensors,
    resources={"workspace": WorkspaceResource()},
    executor=dg.in_process_executor,
)
