"""How sure a mean score is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the bounds that it lies within 19 times of 20."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(
    values: Sequence[float], clusters: Sequence[object] | None = None, seed: int = 0
) -> Interval:
    """The mean with a 95 % percentile interval (Efron, 1979) over resampled clusters.

    Args:
        clusters: of each value, for instance its recording: questions about one recording are
            right or wrong together, and resampled alone they would look surer than they are.

    Raises:
        ValueError: there is no value.
    """
    if not len(values):
        raise ValueError("there is no score to take the mean of")
    numbers = np.unique(_number(clusters or range(len(values))), return_inverse=True)[1]
    sums = np.bincount(numbers, weights=np.asarray(values, float))
    sizes = np.bincount(numbers)
    generator = np.random.default_rng(seed)
    draws = (generator.integers(0, len(sums), len(sums)) for _ in range(RESAMPLES))
    means = [sums[drawn].sum() / sizes[drawn].sum() for drawn in draws]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(sums.sum() / sizes.sum()), float(low), float(high))


def _number(clusters: Sequence[object]) -> list[int]:
    seen: dict[object, int] = {}
    return [seen.setdefault(cluster, len(seen)) for cluster in clusters]
