"""Under what conditions a checkpoint is asked, and how the columns of its scores are called."""

from typing import Literal, get_args

Condition = Literal["trained", "audio_removed", "audio_shuffled", "cascade", "untrained"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)


def column_of(name: str, condition: Condition) -> str:
    """The column of a condition's ``prediction``, ``rouge_l`` ...

    >>> column_of("rouge_l", "trained"), column_of("rouge_l", "cascade")
    ('rouge_l', 'rouge_l_cascade')
    """
    return name if condition == "trained" else f"{name}_{condition}"
