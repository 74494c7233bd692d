"""What training costs beside a bare PyTorch loop, what batching saves, and whether memory is flat.

.venv/bin/python benchmarks/training.py          # on the CPUs, with the tiny models
.venv/bin/python benchmarks/training.py --gpu    # 1.1B LLM, 600M encoder, random weights, bfloat16

The first measures examples per second of `sdg_training.train` and of a loop over the same model and
batches that are made beforehand, in turns; the padding of its batches and of random ones; and the
peak memory of training on 1,000, 10,000 and 100,000 examples. The second measures examples per
second, MFU and peak memory of both fusions.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from clips import speak_world, tabulate

from sdg_assets.storage.blobs import BlobStore
from sdg_training.batches import RankSampler, build_pools, count_batches, open_usable
from sdg_training.checkpoint import build_model
from sdg_training.collator import Batch, Collator, ItemSource
from sdg_training.encoder_cache import encode_recordings
from sdg_training.examples import SkipLog
from sdg_training.precision import wants_bfloat16
from sdg_training.recipe import Recipe, TrainConfig
from sdg_training.recordings import Recordings
from sdg_training.reporting import PrintReporter, Progress
from sdg_training.tiny import LLM
from sdg_training.train import train
from sdg_training.trainer import build_optimizer

RECORDINGS = 120
ROUNDS = 3
UPDATES = 120
SIZES = (1_000, 10_000, 100_000)
# Runs in a process of its own, whose peak memory is its own (ru_maxrss would begin with ours).
CHILD = """
import json, re, sys
from pathlib import Path
from sdg_training.recipe import TrainConfig
from sdg_training.train import train
result = train(TrainConfig.model_validate_json(sys.argv[1]))
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
print(json.dumps({**result.metrics, "peak": peak}))
"""


class Halves(PrintReporter):
    """Rates of the second half of a run, without the start of workers and kernels."""

    def __init__(self) -> None:
        super().__init__(interval=20)
        self._points: list[Progress] = []

    def progress(self, progress: Progress) -> None:
        super().progress(progress)
        if progress.stage == "training":
            self._points.append(progress)

    def knows(self, name: str) -> bool:
        return name in self._points[-1].figures

    def get(self, name: str) -> float:
        """A rate that is reported as a mean since the start."""
        middle, end = self._points[len(self._points) // 2], self._points[-1]
        first = middle.figures[name] * middle.seconds
        return (end.figures[name] * end.seconds - first) / (end.seconds - middle.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", action="store_true", help="large models on a GPU")
    parser.add_argument("--updates", type=int, default=UPDATES, help="of each measurement")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        sys.exit("skipped: there is no GPU")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blobs = BlobStore(f"file://{folder}/blobs")
        passages = 3 if options.gpu else 1  # about 15 s, or 5
        rows = tabulate(blobs, speak_world(["en"], RECORDINGS, passages=passages)).to_pylist()
        if options.gpu:
            measure_gpu(folder, rows, options.updates)
        else:
            measure_speed(folder, rows, options.updates)
            measure_memory(folder, rows, options.updates)


def write_table(folder: Path, rows: Sequence[dict[str, Any]], count: int) -> Path:
    path = folder / f"{count}.parquet"
    chosen = [{**rows[n % len(rows)], "example_id": str(n)} for n in range(count)]
    pq.write_table(pa.Table.from_pylist(chosen), path)
    return path


def measure_speed(folder: Path, rows: Sequence[dict[str, Any]], updates: int) -> None:
    path = write_table(folder, rows, 2000)
    for fusion in ("concat", "cross_attention"):
        recipe = Recipe.model_validate(
            {"lora": {"rank": 8}, "epochs": 50, "max_steps": updates, "fusion": {"type": fusion}}
        )
        config = TrainConfig(
            examples=str(path),
            blobs=f"file://{folder}/blobs",
            output=folder / fusion,
            recipe=recipe,
        )
        batches = collate(config)
        ours, bare = [], []
        for number in range(ROUNDS):
            own = config.model_copy(update={"output": folder / f"{fusion}-{number}"})
            metrics = train(own, PrintReporter(interval=1e9)).metrics
            ours.append(metrics["examples_per_second"])
            bare.append(run_bare_loop(recipe, batches))
        ratios = sorted(a / b for a, b in zip(ours, bare, strict=True))
        print(
            f"{fusion}: sdg {median(ours):.1f} examples/s, bare loop {median(bare):.1f}, "
            f"ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); padding "
            f"{metrics['padding_share']:.1%}, of random batches "
            f"{metrics['padding_share_at_random']:.1%}",
            flush=True,
        )


def run_bare_loop(recipe: Recipe, batches: Sequence[Batch]) -> float:
    """Examples per second over batches that are ready, with the same model and optimizer."""
    torch.manual_seed(recipe.seed)
    model, _ = build_model(recipe)
    model.llm.set_attn_implementation("eager")
    optimizer = build_optimizer(model, recipe)
    bf16 = wants_bfloat16(recipe.precision, on_cpu=True)
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    started = time.perf_counter()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(**batch.inputs, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return sum(len(batch.examples) for batch in batches) / (time.perf_counter() - started)


def collate(config: TrainConfig) -> list[Batch]:
    """The batches of the run, from the recordings' encoder states."""
    recipe = config.recipe
    model, processor = build_model(recipe)
    examples = open_usable(config.examples, processor, recipe, SkipLog(), to_train=True)
    recordings = Recordings(examples, config.blobs)
    source = encode_recordings(model, processor, recordings, recipe, PrintReporter(1e9))
    pools = build_pools(examples, processor, recipe)
    sampler = RankSampler(pools, recipe, count_batches(pools, recipe))
    items = ItemSource(source)
    collator = Collator(processor, recipe.max_tokens, recipe.asr_question)
    return [collator(items.__getitems__(batch)) for batch in sampler]


def measure_memory(folder: Path, rows: Sequence[dict[str, Any]], updates: int) -> None:
    peaks = {}
    for count in SIZES:
        config = TrainConfig(
            examples=str(write_table(folder, rows, count)),
            blobs=f"file://{folder}/blobs",
            output=folder / f"memory-{count}",
            recipe=Recipe.model_validate({"lora": {"rank": 8}, "max_steps": min(updates, 40)}),
        )
        peaks[count] = run_child(config)["peak"]
        print(f"{count:>7,} examples: peak {peaks[count] / 1e6:,.0f} MB", flush=True)
    growth = (peaks[SIZES[-1]] - peaks[SIZES[0]]) / (SIZES[-1] - SIZES[0])
    print(f"growth: {growth:,.0f} bytes per example", flush=True)


def measure_gpu(folder: Path, rows: Sequence[dict[str, Any]], updates: int) -> None:
    encoder, llm = write_large_models(folder)
    path = write_table(folder, rows, 20_000)
    for fusion in ("concat", "cross_attention"):
        recipe = Recipe.model_validate(
            {
                "encoder": str(encoder), "llm": str(llm), "freeze_encoder": False,
                "adapter": {"type": "conformer", "hidden_size": 1024, "intermediate_size": 4096},
                "fusion": {"type": fusion}, "precision": "bfloat16", "learning_rate": 1e-4,
                "batch_size": 64, "batch_tokens": 32_768, "num_workers": 12, "max_steps": updates,
                "save_every": 10**9, "self_contained": False,
            }
        )  # fmt: skip
        config = TrainConfig(
            examples=str(path),
            blobs=f"file://{folder}/blobs",
            output=folder / fusion,
            recipe=recipe,
        )
        torch.cuda.reset_peak_memory_stats()
        halves = Halves()
        train(config, halves)
        mfu = f"{halves.get('mfu'):.3f}" if halves.knows("mfu") else "unknown"
        print(
            f"{torch.cuda.get_device_name()}, {fusion}: "
            f"{halves.get('examples_per_second'):.1f} examples/s, "
            f"{halves.get('audio_hours_per_hour'):.0f} hours/hour, MFU {mfu}, "
            f"peak {torch.cuda.max_memory_allocated() / 1e9:.1f} GB",
            flush=True,
        )


def write_large_models(folder: Path) -> tuple[Path, Path]:
    """TinyLlama-1.1B's and a 600M FastConformer's shapes with random weights."""
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        ParakeetEncoder,
        ParakeetEncoderConfig,
        ParakeetFeatureExtractor,
        PreTrainedTokenizerFast,
    )

    encoder, llm = folder / "encoder", folder / "llm"
    torch.set_default_dtype(torch.bfloat16)
    ParakeetEncoder(
        ParakeetEncoderConfig(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=8, intermediate_size=4096
        )
    ).save_pretrained(encoder)
    ParakeetFeatureExtractor().save_pretrained(encoder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(LLM)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32_000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
            num_attention_heads=32, num_key_value_heads=4, max_position_embeddings=2048,
            pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    ).save_pretrained(llm)  # fmt: skip
    tokenizer.save_pretrained(llm)
    torch.set_default_dtype(torch.float32)
    return encoder, llm


def run_child(config: TrainConfig) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, config.model_dump_json()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
