"""The speech LM: its model, data, training, generation and scores, and the tiny models."""

import os

# Before torch is loaded: threads that wait for one another sleep, and do not spin. Where another
# process wants the same cores, spinning made training 4 to 8 times slower (docs/decisions.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
