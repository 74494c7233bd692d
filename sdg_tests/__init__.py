"""The tests; they mirror the two packages."""

import sdg_training  # noqa: F401  (before torch: it decides how torch's threads wait)
