"""What an example can teach: an answer about its recording, its words, an answer about its text."""

from dataclasses import dataclass
from typing import Literal, get_args

from sdg_training.examples import Example, has_context

Task = Literal["qa", "asr", "text"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class Turn:
    """A user's message and the answer to it."""

    question: str
    answer: str
    context: str | None = None  # text in the stead of the recording


def write_turn(example: Example, task: Task, asr_question: str) -> Turn:
    """``example`` as ``task`` asks it; only ``text`` does without the recording.

    Raises:
        ValueError: the task needs the recording's words, and they are not known.
    """
    if task == "qa":
        return Turn(example.question, example.answer)
    if not has_context(example):
        raise ValueError(f"the task {task} needs the words of {example.example_id}'s recording")
    context = str(example.context)
    if task == "asr":
        return Turn(asr_question, context)
    return Turn(example.question, example.answer, context)
