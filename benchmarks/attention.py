"""A training step of the tiny LM with torch's fused attention and with plain matrix products.

.venv/bin/python benchmarks/attention.py
"""

import argparse
import time

import torch
from transformers import LlamaForCausalLM

from sdg_training.tiny import LLM

SHAPES = ((16, 96), (12, 250))  # of the demo's speech LM, of the tiny LM's own training
THREADS = 2


def measure(model: LlamaForCausalLM, shape: tuple[int, int], seconds: float, bf16: bool) -> float:
    """Steps per second."""
    ids = torch.randint(5, 500, shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[::2, :9] = 0  # padding on the left, as a batch has it

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(input_ids=ids, attention_mask=mask, labels=ids, use_cache=False).loss
        loss.backward()

    for _ in range(3):
        step()
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    return steps / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(THREADS)
    model = LlamaForCausalLM.from_pretrained(LLM).train()
    for shape in SHAPES:
        for bf16 in (True, False):
            rates = {}
            for name in ("sdpa", "eager"):
                model.set_attn_implementation(name)
                rates[name] = measure(model, shape, seconds, bf16)
            print(
                f"{shape} {'bfloat16' if bf16 else 'float32'}: fused {rates['sdpa']:.2f} steps/s, "
                f"plain {rates['eager']:.2f} steps/s, ratio {rates['eager'] / rates['sdpa']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
