import hashlib
import os
from pathlib import Path

from sdg_assets.engines.files import hash_file, hash_folder


def test_hash_is_sha256_and_follows_the_content(tmp_path: Path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    assert hash_file(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert hash_file(path) == hashlib.sha256(b"three").hexdigest()


def test_an_unchanged_file_is_read_once(tmp_path: Path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    first, stat = hash_file(path), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert hash_file(path) == first


def test_folder_hash_follows_names_and_contents_of_model_files(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    first = hash_folder(tmp_path)
    (tmp_path / "README.md").write_text("words about it")
    (tmp_path / "logs").mkdir()
    assert hash_folder(tmp_path) == first
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    second = hash_folder(tmp_path)
    (tmp_path / "chat_template.jinja").rename(tmp_path / "template.jinja")
    assert len({first, second, hash_folder(tmp_path)}) == 3
