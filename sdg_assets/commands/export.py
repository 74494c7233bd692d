"""`sdg export`: a checkpoint that needs nothing of ours but the code of its architecture."""

from pathlib import Path

from sdg_assets.commands.ask import find_checkpoint
from sdg_assets.commands.tables import say
from sdg_assets.errors import UserError


class ExportError(UserError):
    """The checkpoint is damaged, or the target is there already."""


def export(checkpoint: str, target: Path) -> None:
    """Writes ``target``: the checkpoint with LoRA merged and every weight it needs."""
    from sdg_training.checkpoint import CheckpointError, export_checkpoint

    with find_checkpoint(checkpoint) as folder:
        try:
            export_checkpoint(folder, target)
        except CheckpointError as error:
            raise ExportError(str(error)) from error
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    say(f"{target}: {size / 1e6:,.1f} MB, all weights in it, without LoRA")
