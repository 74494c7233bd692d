"""Local paths and fsspec URLs alike: resolve, list, open, and read line by line."""

import errno
import hashlib
import io
import json
import os
import posixpath
import stat
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from sdg_assets.corpora.base import CorpusError, Reject

# The last ones libsndfile cannot read: they are listed so that they end in quarantine, not unseen.
AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".snd"}
    | {".caf", ".w64", ".rf64", ".sph"}
    | {".m4a", ".mp4", ".aac", ".wma", ".webm", ".amr"}
)
_READ_ERRORS = (OSError, EOFError, zlib.error)  # the last two: a damaged .gz
_TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", "~")


def is_url(path: str) -> bool:
    return "://" in path


def is_ignored(name: str) -> bool:
    """Whether a file or folder of that name is hidden, temporary, or an archiver's litter."""
    stem = name.rsplit(".", 1)[0]
    return (
        name.startswith((".", "~"))
        or name == "__MACOSX"
        or name.endswith(_TEMPORARY_SUFFIXES)
        or stem.endswith(_TEMPORARY_SUFFIXES)
    )


def is_audio(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in AUDIO_SUFFIXES


def absolute(path: str, folder: str) -> str:
    """``path`` as seen from ``folder``; a URL or an absolute path stays what it is."""
    if is_url(path):
        return path
    path = os.path.expanduser(path)
    if is_url(folder):
        return path if os.path.isabs(path) else f"{folder.rstrip('/')}/{path}"
    return os.path.abspath(os.path.join(folder, path))


def parent(path: str) -> str:
    return path.rstrip("/").rpartition("/")[0]


def exists(path: str) -> bool:
    system, name = _filesystem(path)
    return bool(system.exists(name))


def is_missing(path: str) -> bool:
    """Whether a local file is not there. A remote one gets the benefit of the doubt.

    Asking for each file of a manifest would cost more than the failure to read it later.
    """
    return not is_url(path) and not os.path.exists(path)


def open_binary(path: str, compression: str | None = None) -> BinaryIO:
    """
    Raises:
        OSError: it is not there, may not be read, or is no file: a pipe would never end.
    """
    system, name = _filesystem(path)
    if isinstance(system, LocalFileSystem) and not stat.S_ISREG(os.stat(name).st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a folder or a device, not a file", path)
    return cast(BinaryIO, system.open(name, "rb", compression=compression))


def sha256_of(path: str) -> str | None:
    """Of a whole file; None for what is not a file (a Hugging Face data set)."""
    system, name = _filesystem(path)
    if not system.isfile(name):
        return None
    with open_binary(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def walk_files(root: str) -> Iterator[str]:
    """Paths of all files under ``root``, relative to it, sorted; ignored ones are left out.

    Raises:
        CorpusError: there is no such folder, or it may not be read.
    """
    system, name = _filesystem(root)
    if not system.isdir(name):
        raise CorpusError(
            f"there is no folder {root}: create it, or correct `path` in the corpus's YAML file"
        )
    if isinstance(system, LocalFileSystem):
        yield from _walk_local(name, "", frozenset())
        return
    prefix = len(name.rstrip("/")) + 1
    for found in sorted(system.find(name)):
        relative = found[prefix:]
        if not any(map(is_ignored, relative.split("/"))):
            yield relative


def expand(path: str) -> list[str]:
    """The file of that path, or the files that it matches as a glob pattern, sorted.

    Raises:
        CorpusError: there is none, or it is a folder.
    """
    system, name = _filesystem(path)
    if system.exists(name):
        if not system.isfile(name) and system.isdir(name):  # over HTTP, a file can pass for both
            raise CorpusError(
                f"{path} is a folder, and this layout reads files: name one in it, or several by a "
                f"pattern such as {path.rstrip('/')}/*"
            )
        return [path]
    matches = sorted(found for found in system.glob(name) if system.isfile(found))
    if not matches:
        raise CorpusError(
            f"there is no file {path}: put it there, or correct `path` in the corpus's YAML file"
        )
    return [system.unstrip_protocol(m) for m in matches] if is_url(path) else matches


def read_text(path: str) -> str:
    """The whole file, without its byte order mark; what is not UTF-8 becomes surrogates.

    Raises:
        OSError: it cannot be read.
    """
    with open_binary(path) as file:
        return file.read().decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without their ends; what is not UTF-8 becomes surrogates.

    Raises:
        CorpusError: the file cannot be read.
    """
    try:
        with open_binary(path, compression="infer") as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8", errors="surrogateescape").rstrip("\r\n")
                yield number, text.removeprefix("\ufeff") if number == 1 else text
    except _READ_ERRORS as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error


def is_text(text: str) -> bool:
    """Whether ``text`` can be stored: it has no bytes that were not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """``text`` with undecodable bytes written as escapes."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def read_json_lines(path: str) -> Iterator[tuple[str, dict[str, Any]] | Reject]:
    """Objects of a JSONL file with the place of each (``name.jsonl:12``); empty lines are skipped.

    Raises:
        CorpusError: the file cannot be read.
    """
    name = posixpath.basename(path)
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        if not is_text(line):
            yield Reject(place, "not_utf8", f"line {number} is not UTF-8", path)
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Reject(place, "broken_json", f"line {number} is not JSON: {error}", path)
        else:
            if isinstance(value, dict):
                yield place, value
            else:
                detail = f"line {number} must be a JSON object, not {type(value).__name__}"
                yield Reject(place, "broken_row", detail, path)


def read_json(path: str) -> Any:
    """
    Raises:
        CorpusError: the file cannot be read, or is not JSON; names line and column.
    """
    try:
        with open_binary(path, compression="infer") as file:
            return json.load(io.TextIOWrapper(file, encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8: {error}") from error
    except _READ_ERRORS as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error


def _filesystem(path: str) -> tuple[AbstractFileSystem, str]:
    """fsspec would take ``::`` in a local file name for a chain of protocols."""
    if is_url(path):
        system, name = fsspec.core.url_to_fs(path)
        return system, name
    return LocalFileSystem(), path


def _walk_local(folder: str, prefix: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a symbolic link to a folder that holds it
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise CorpusError(f"the folder {folder} cannot be listed: {error}") from error
    for entry in entries:
        if is_ignored(entry.name):
            continue
        if entry.is_dir():
            yield from _walk_local(entry.path, f"{prefix}{entry.name}/", above | {real})
        else:
            yield prefix + entry.name
