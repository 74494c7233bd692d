"""`sdg ask`: a question to a checkpoint about a recording."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdg_assets.audio import AudioError, decode
from sdg_assets.commands.tables import say
from sdg_assets.corpora.base import AudioSource
from sdg_assets.errors import UserError
from sdg_assets.remedies import find_remedy
from sdg_assets.workspace import Workspace, open_workspace


class AskError(UserError):
    """There is no such checkpoint, nothing is asked, or the recording cannot be asked about."""


def ask_about(
    checkpoint: str, audio: Path, question: str, num_beams: int, *, compare: bool
) -> None:
    """Prints the answer; with ``compare`` also the one that is given with the audio removed.

    Raises:
        AskError: the question is empty, or the checkpoint or the recording is of no use.
    """
    if not question.strip():
        raise AskError('the question is empty: write what to ask, such as "What did Ann buy?"')
    from sdg_training.ask import ask
    from sdg_training.checkpoint import CheckpointError, load_checkpoint, load_recipe

    with find_checkpoint(checkpoint) as folder:
        try:
            model, processor = load_checkpoint(folder)
            limit = min(load_recipe(folder).max_audio_seconds, processor.max_seconds)
            samples = decode(AudioSource(str(audio)), max_seconds=limit).samples
            answers = {"": ask(model, processor, samples, question, num_beams=num_beams)}
            if compare:
                without = ask(
                    model, processor, samples, question, with_audio=False, num_beams=num_beams
                )
                answers["audio removed: "] = without
        except AudioError as error:
            remedy = find_remedy("ask", error.reason)
            raise AskError(f"{audio} cannot be asked about: {error}; {remedy}") from error
        except (CheckpointError, ValueError) as error:
            raise AskError(str(error)) from error
    for label, answer in answers.items():
        say((label, "dim"), answer)


@contextmanager
def find_checkpoint(name: str) -> Iterator[Path]:
    """The folder of a checkpoint: of that path, or by its partition or (begun) id in the lake.

    Raises:
        AskError: there is none, or more than one.
    """
    if Path(name).is_dir():
        yield Path(name)
        return
    workspace = open_workspace(read_only=True)
    with workspace.blobs.local_folder(_find_uri(workspace, name)) as folder:
        yield folder


def _find_uri(workspace: Workspace, name: str) -> str:
    rows = workspace.lake.read(
        "trained_checkpoints", columns=["corpus", "language", "checkpoint_id", "uri"]
    ).to_pylist()
    found = {
        row["checkpoint_id"]: row
        for row in rows
        if row["checkpoint_id"].startswith(name) or f"{row['corpus']}/{row['language']}" == name
    }
    if not found:
        there = ", ".join(
            f"{row['checkpoint_id']} ({row['corpus']}/{row['language']})" for row in rows
        )
        raise AskError(
            f"{name!r} is neither the folder of a checkpoint nor the id or partition of one in the "
            f"lake, which has {there or 'none: materialise trained_checkpoints'}"
        )
    if len(found) > 1:
        raise AskError(f"{name!r} begins {len(found)} ids: write more of {', '.join(found)}")
    return str(next(iter(found.values()))["uri"])
