"""Listing, resolving and reading, on disk and in an object store."""

import gzip
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.base import CorpusError, Reject
from sdg_assets.corpora.files import (
    absolute,
    expand,
    is_ignored,
    parent,
    read_json,
    read_json_lines,
    read_lines,
    sha256_of,
    walk_files,
)

Put = Callable[[str, bytes], str]


@pytest.fixture(params=["disk", "store"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Put:
    """Writes a file below a root, which ``put("", b"")`` names."""
    root = str(tmp_path) if request.param == "disk" else f"memory://{tmp_path.name}"

    def write(path: str, data: bytes) -> str:
        if path:
            with fsspec.open(f"{root}/{path}", "wb", auto_mkdir=True) as file:
                file.write(data)
        return f"{root}/{path}".rstrip("/")

    return write


def test_folders_are_walked_in_order_without_litter(put: Put) -> None:
    litter = ["b/.hidden.wav", ".git/x.wav", "b/~lock.wav", "b/x.wav.part", "b/x.tmp.wav"]
    litter += ["__MACOSX/b/y.wav", "b/._1.wav"]
    for path in ["b/2.wav", "b/10.wav", "a.wav", "c/d/e.wav", *litter]:
        put(path, b"x")
    assert list(walk_files(put("", b""))) == ["a.wav", "b/10.wav", "b/2.wav", "c/d/e.wav"]


def test_a_folder_that_is_not_there(put: Put) -> None:
    root = put("file.txt", b"x")
    for path in (f"{parent(root)}/absent", root):
        with pytest.raises(CorpusError, match="there is no folder"):
            list(walk_files(path))


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").touch()
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "corpus" / "again").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus" / "dangling.wav").symlink_to(tmp_path / "gone")
    assert list(walk_files(str(tmp_path / "corpus"))) == ["dangling.wav", "linked/a.wav"]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("x.wav", "/data", "/data/x.wav"),
        ("../x.wav", "/data/set", "/data/x.wav"),
        ("/x.wav", "/data", "/x.wav"),
        ("s3://b/x.wav", "/data", "s3://b/x.wav"),
        ("x.wav", "s3://b/data/", "s3://b/data/x.wav"),
        ("/x.wav", "s3://b/data", "/x.wav"),
        ("a::b.wav", "/data", "/data/a::b.wav"),
    ],
)
def test_paths_in_manifests(path: str, folder: str, expected: str) -> None:
    assert absolute(path, folder) == expected


def test_patterns_name_several_files(put: Put) -> None:
    root = parent(put("train-2.json", b"2"))
    put("train-1.json", b"1")
    put("dev.json", b"3")
    names = [path.rpartition("/")[2] for path in expand(f"{root}/train-*.json")]
    assert names == ["train-1.json", "train-2.json"]
    assert expand(f"{root}/dev.json") == [f"{root}/dev.json"]
    with pytest.raises(CorpusError, match=r"is a folder, and this layout reads files: name one"):
        expand(root)
    with pytest.raises(CorpusError, match="there is no file"):
        expand(f"{root}/test-*.json")


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "data [v1].json"
    path.touch()
    assert expand(str(path)) == [str(path)]


def test_lines_of_any_origin(put: Put) -> None:
    path = put("a.txt", b"\xef\xbb\xbfone\r\ntwo\x85\xc2\x85\n\nlast")
    assert list(read_lines(path)) == [(1, "one"), (2, "two\udc85\x85"), (3, ""), (4, "last")]


def test_compressed_lines(put: Put) -> None:
    path = put("a.jsonl.gz", gzip.compress(b'{"a": 1}\n'))
    assert list(read_json_lines(path)) == [("a.jsonl.gz:1", {"a": 1})]
    assert read_json(path) == {"a": 1}


def test_a_compressed_file_that_was_cut_off(put: Put) -> None:
    data = gzip.compress(b'{"a": 1}\n' * 1000)
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_json_lines(put("a.jsonl.gz", data[:-20])))
    with pytest.raises(CorpusError, match="cannot be read"):
        read_json(put("b.json.gz", data[:-20]))


def test_a_broken_line_is_one_reject(put: Put) -> None:
    lines = [b'{"n": 1}', b'{"n": 2', b"[3]", b"", b"\xff\xfe", b"{}" * 2, b'{"n": 7}']
    found = list(read_json_lines(put("a.jsonl", b"\n".join(lines))))
    assert [f[1] for f in found if not isinstance(f, Reject)] == [{"n": 1}, {"n": 7}]
    rejects = [(f.item_id, f.reason) for f in found if isinstance(f, Reject)]
    assert rejects == [
        ("a.jsonl:2", "broken_json"),
        ("a.jsonl:3", "broken_row"),
        ("a.jsonl:5", "not_utf8"),
        ("a.jsonl:6", "broken_json"),
    ]


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b""))))
def test_any_bytes_are_rows_or_rejects(lines: list[bytes]) -> None:
    with fsspec.open("memory://any.jsonl", "wb") as file:
        file.write(b"\n".join([*lines, b'{"good": true}']))
    *_, last = read_json_lines("memory://any.jsonl")
    assert last == (f"any.jsonl:{len(lines) + 1}", {"good": True})


def test_deep_nesting_is_a_reject(put: Put) -> None:
    (found,) = read_json_lines(put("deep.jsonl", b"[" * 100_000))
    assert isinstance(found, Reject)


def test_broken_json_names_line_and_column(put: Put) -> None:
    with pytest.raises(CorpusError, match=r"is not JSON: .* line 2, column 6"):
        read_json(put("a.json", b'{\n "a" 1}'))
    with pytest.raises(CorpusError, match="is not UTF-8"):
        read_json(put("b.json", b'{"a": "\xff"}'))
    with pytest.raises(CorpusError, match="cannot be read"):
        read_json(put("c.json", b"{}").replace("c.json", "absent.json"))


def test_hashes_of_files_only(put: Put) -> None:
    path = put("a.txt", b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(parent(path)) is None
    assert sha256_of("organisation/data-set/train") is None


@pytest.mark.parametrize("name", [".x", "~x", "x~", "x.tmp", "x.part", "x.tmp.wav", "__MACOSX"])
def test_litter(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize("name", ["x.wav", "tmp.wav", "part", "_READY", "-x", "x.y.wav"])
def test_no_litter(name: str) -> None:
    assert not is_ignored(name)
