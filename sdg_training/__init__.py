"""The speech LM: its model, data, training, generation and scores, and the tiny models."""

import os

# Before torch is loaded: threads that wait for one another soon sleep, and do not spin. Where
# another process wants the same cores, spinning made training 4 to 8 times slower, and sleeping at
# once makes it a little slower where none does (docs/decisions.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
