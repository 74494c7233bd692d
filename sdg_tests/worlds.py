"""Text of the tiny world for tests."""

import random

from sdg_training.tiny.world import Side, sample_passage


def passages(language: str, count: int, *, seed: int = 0, side: Side = "train") -> list[str]:
    rng = random.Random(f"{seed}|{language}|{side}")
    return [sample_passage(rng, language, side=side).text for _ in range(count)]
