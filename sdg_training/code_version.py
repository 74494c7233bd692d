"""Which code a checkpoint was trained by."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def find_code_version(package: Path = PACKAGE) -> str:
    """The release and a digest of the package's own code: between releases it changes too.

    >>> find_code_version().startswith(version("sdg"))
    True
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if "tiny" not in path.relative_to(package).parts:  # what makes models that recipes name
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return f"{version('sdg')}+{digest.hexdigest()[:8]}"
