"""What the lake raises."""


class LakeError(RuntimeError):
    """The lake refused: says what was wrong, where, and what to do next. Nothing was changed."""
