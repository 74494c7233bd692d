"""What the lake raises."""

from sdg_assets.errors import UserError


class LakeError(UserError):
    """The lake refused: says what was wrong, where, and what to do next. Nothing was changed."""
