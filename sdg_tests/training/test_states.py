"""Folders of runs: which may be removed."""

import os
import time
from pathlib import Path

from sdg_training.states import hold, remove_stopped

DAY = 86_400.0


def age(folder: Path, days: float) -> None:
    then = time.time() - days * DAY
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))


def test_a_stopped_run_is_removed_when_it_is_old_and_nobody_holds_it(tmp_path: Path) -> None:
    for name in ("old", "saved", "held"):
        (tmp_path / name / "checkpoint-5").mkdir(parents=True)
        (tmp_path / name / "checkpoint-5" / "weights").write_text("w")
        age(tmp_path / name, days=3)
    (tmp_path / "saved" / "checkpoint-5" / "weights").write_text("newer")
    yesterday = time.time() - DAY
    with hold(tmp_path / "held", is_first=True):
        age(tmp_path / "held", days=3)
        assert remove_stopped(tmp_path, yesterday, dry_run=True) == [tmp_path / "old"]
        assert (tmp_path / "old").exists()
        assert remove_stopped(tmp_path, yesterday, dry_run=False) == [tmp_path / "old"]
    assert {path.name for path in tmp_path.iterdir()} == {"saved", "held"}
    assert remove_stopped(tmp_path / "absent", yesterday, dry_run=False) == []
