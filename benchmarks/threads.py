"""A training step of the tiny LM with threads that sleep or spin while they wait, on busy cores.

.venv/bin/python benchmarks/threads.py
"""

import argparse
import os
import subprocess
import sys

STEP = """
import sys, time, torch
from transformers import LlamaForCausalLM
from sdg_training.tiny import LLM

torch.set_num_threads(2)
model = LlamaForCausalLM.from_pretrained(LLM).train()
ids = torch.randint(5, 500, (16, 130), generator=torch.Generator().manual_seed(0))
def step():
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()

for _ in range(3):
    step()
steps, started = 0, time.perf_counter()
while time.perf_counter() - started < float(sys.argv[1]):
    step()
    steps += 1
print(steps / (time.perf_counter() - started))
"""
BUSY = "while True: pass"
WAYS = {
    "sleeping": "PASSIVE",
    "spinning": "ACTIVE",
}


def start_step(way: str, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_WAIT_POLICY": WAYS[way]}
    command = [sys.executable, "-c", STEP, str(seconds)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    for neighbours in (0, 1, 2):
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(neighbours)]
        try:
            rates = {way: float(start_step(way, seconds).communicate()[0]) for way in WAYS}
        finally:
            for process in busy:
                process.kill()
        told = ", ".join(f"{way} {rate:.2f}" for way, rate in rates.items())
        print(f"{neighbours} busy neighbours, steps/s: {told}", flush=True)


if __name__ == "__main__":
    main()
