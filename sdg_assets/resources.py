"""What Dagster hands to stages, checks and sensors."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from sdg_assets.workspace import Workspace, open_workspace


class WorkspaceResource(dg.ConfigurableResource):
    """The home folder with the lake, the blobs and the registered corpora."""

    home: str | None = Field(default=None, description="Empty: $SDG_HOME, else .sdg")

    def open(self) -> Workspace:
        return open_workspace(Path(self.home) if self.home else None)
