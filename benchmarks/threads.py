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
steps, seconds = -3, float(sys.argv[1])
while steps < 0 or time.perf_counter() - started < seconds:
    if steps == 0:
        started = time.perf_counter()
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    steps += 1
print(steps / (time.perf_counter() - started))
"""
BUSY = "while True: pass"


def start_step(policy: str, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
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
            rates = {}
            for policy in ("PASSIVE", "ACTIVE"):
                output, _ = start_step(policy, seconds).communicate()
                rates[policy] = float(output)
        finally:
            for process in busy:
                process.kill()
        ratio = rates["PASSIVE"] / rates["ACTIVE"]
        print(
            f"{neighbours} busy neighbours: sleeping {rates['PASSIVE']:.2f} steps/s, "
            f"spinning {rates['ACTIVE']:.2f} steps/s, ratio {ratio:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
