"""Seeds of requests, from seeds of engines."""

import hashlib


def combine_seeds(*seeds: int) -> int:
    """One seed of 31 bits (what every endpoint takes); unlike in a sum, (1, 2) is not (2, 1)."""
    digest = hashlib.sha256(repr(seeds).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
