"""How well SALM and SALM-XATT hear, after a few minutes of training on two cores.

.venv/bin/python benchmarks/salm.py

Recordings of the tiny world in three languages train each of them by its profile, for at most
``--minutes``. Then other voices speak other sentences: ROUGE-L of the answers by language, with the
audio removed, and with the audio of another example.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from clips import speak_world, tabulate

from sdg_assets.settings import load_profile
from sdg_assets.storage.blobs import BlobStore
from sdg_training.conditions import Condition, column_of
from sdg_training.evaluate import score
from sdg_training.intervals import bootstrap_known, cluster
from sdg_training.recipe import TrainConfig
from sdg_training.reporting import PrintReporter
from sdg_training.tiny.world import list_languages
from sdg_training.train import train

PROFILES = ("tiny", "tiny-xatt")
CONDITIONS: tuple[Condition, ...] = ("trained", "audio_removed", "audio_shuffled")
TESTED = 600  # questions


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blobs = BlobStore(f"file://{folder}/blobs")
        clips = speak_world(list_languages(), options.passages)
        table = tabulate(blobs, clips)
        pq.write_table(table, folder / "train.parquet")
        asked = tabulate(blobs, speak_world(list_languages(), TESTED // 3, "test"))
        asked = asked.take(list(range(0, len(asked), max(1, len(asked) // TESTED))))
        hours = sum(clip.seconds for clip in clips) / 3600
        print(
            f"{len(table)} questions about {hours:.1f} hours; {len(asked)} about unseen sentences "
            "by unseen voices",
            flush=True,
        )
        for profile in options.profiles:
            recipe = load_profile(profile).recipe.model_copy(
                update={"max_minutes": options.minutes, "max_steps": None, "epochs": 100}
            )
            config = TrainConfig(
                examples=str(folder / "train.parquet"),
                blobs=blobs.url,
                output=folder / profile,
                recipe=recipe,
            )
            measure(profile, config, asked)


def measure(profile: str, config: TrainConfig, asked: pa.Table) -> None:
    """Train, answer what is ``asked``, and print how well."""
    reporter = PrintReporter(interval=20)
    started = time.monotonic()
    metrics = train(config, reporter).metrics
    minutes = (time.monotonic() - started) / 60
    print(
        f"{profile}: {metrics['seconds'] / 60:.1f} minutes of training ({minutes:.1f} with what "
        f"comes before it), {metrics['updates']} updates, "
        f"{metrics['examples_per_second']:.0f} examples/s"
    )
    scores = score(config.output, asked, config.blobs, CONDITIONS, reporter=reporter).table
    examples = {row["example_id"]: row for row in asked.to_pylist()}
    rows = [examples[name] for name in scores["example_id"].to_pylist()]
    clusters = cluster([row["speaker"] for row in rows], [row["context"] for row in rows])
    for condition in CONDITIONS:
        whole = bootstrap_known(scores[column_of("rouge_l", condition)].to_pylist(), clusters)
        print(f"  {condition:<15} {whole} over {clusters}", flush=True)
    for language in list_languages():
        chosen = scores.filter(pc.equal(scores["eval_language"], language))
        print(f"  {language:<15} {pc.mean(chosen['rouge_l']).as_py():.3f}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5, help="of training, each")
    parser.add_argument("--passages", type=int, default=1500, help="recordings in each language")
    parser.add_argument("--profiles", nargs="+", default=PROFILES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
