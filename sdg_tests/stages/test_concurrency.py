"""Eight partitions materialised by four processes at once: all there, none torn."""

from pathlib import Path

import pytest
import yaml

from sdg_assets.stages.clips import ref_of
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import register
from sdg_tests.processes import start_sdg

PROCESSES = 4
PARTITIONS = 8
QUESTIONS = 6


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_partitions_at_once(
    catalog: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home.mkdir()
    if catalog == "postgres":
        settings = {"catalog": request.getfixturevalue("postgres_url")}
        (home / "sdg.yaml").write_text(yaml.safe_dump(settings))
    names = [register_questions(tmp_path, number) for number in range(PARTITIONS)]

    processes = [
        start_sdg(home, "run", *(f"{name}/en" for name in names[start::PROCESSES]))
        for start in range(PROCESSES)
    ]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, "\n".join(said)

    workspace = open_workspace(home)
    for table in ("text_qa", "synthesized_speech", "training_examples"):
        rows = workspace.lake.read(table).to_pylist()
        counts = {name: sum(row["corpus"] == name for row in rows) for name in names}
        assert counts == dict.fromkeys(names, QUESTIONS), table
    calls = workspace.lake.read("model_calls", columns=["key"]).column("key").to_pylist()
    assert len(calls) == PARTITIONS * QUESTIONS
    rows = workspace.lake.read("synthesized_speech").to_pylist()
    clips = workspace.blobs.read_many([ref_of(row) for row in rows])
    assert [len(clip) for clip in clips] == [row["byte_length"] for row in rows]


def register_questions(folder: Path, number: int) -> str:
    lines = [
        f'{{"context": "House {number} has {n} red doors.", '
        f'"question": "How many doors?", "answer": "{n}"}}'
        for n in range(QUESTIONS)
    ]
    name = f"houses-{number}"
    (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return register(
        folder,
        name=name,
        kind="text_qa",
        languages=["en"],
        reader={"layout": "jsonl_qa", "path": f"{name}.jsonl"},
    )
