"""Hashes of model files, for fingerprints."""

import hashlib
from functools import cache
from pathlib import Path

_MODEL_SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".jinja", ".model", ".txt"})


def hash_file(path: Path) -> str:
    """SHA-256 of a file; read once per process unless its time or size changes."""
    stat = path.stat()
    return _hash(path.resolve(), stat.st_mtime_ns, stat.st_size)


def hash_folder(folder: Path) -> str:
    """SHA-256 over the names and hashes of a transformers model folder's own files."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in _MODEL_SUFFIXES)
    lines = "".join(f"{path.name} {hash_file(path)}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def _hash(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
