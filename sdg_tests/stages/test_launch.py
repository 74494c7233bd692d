"""A process that a stage starts: what it fails of is the stage's error."""

import sys

import dagster as dg
import pytest

from sdg_assets.stages.launch import LaunchError
from sdg_assets.stages.launch import launch as launch_process

CHILD = """
import sys
from sdg_training.reporting import open_reporter
with open_reporter() as reporter:
    {body}
sys.exit({status})
"""


def launch(body: str, status: int) -> dg.ExecuteInProcessResult:
    @dg.op
    def start(context: dg.OpExecutionContext) -> None:
        launch_process(context, [sys.executable, "-c", CHILD.format(body=body, status=status)])

    @dg.job
    def started() -> None:
        start()

    return started.execute_in_process()


def test_what_the_process_reports_is_the_error() -> None:
    with pytest.raises(LaunchError, match=r"^there is no model at /x$"):
        launch("reporter.fail('there is no model at /x')", 1)


def test_a_process_that_dies_silently_is_an_error_too() -> None:
    with pytest.raises(LaunchError, match="failed with code 3"):
        launch("reporter.finish({})", 3)


def test_a_process_that_ends_well_is_none() -> None:
    assert launch("reporter.finish({})", 0).success
