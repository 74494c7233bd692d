"""Make the tiny models anew: ``python -m sdg_training.tiny``, in under an hour on two cores.

Writes the checkpoints, ``figures.json`` and ``MODEL_CARD.md`` in the output folder.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from sdg_training.tiny import WEIGHTS
from sdg_training.tiny.model_card import write_model_card
from sdg_training.tiny.parts import AFTER, PARTS, Figures, make, measure

WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    chosen = [options.only] if options.only else PARTS
    figures = _read_figures(options.output)
    for part, measured in _make_all(chosen, options.output, options.seed):
        print(json.dumps({part: measured}, indent=2), flush=True)
        figures[part] = measured
        _write_figures(options.output, figures, options.seed)


def _make_all(parts: Sequence[str], output: Path, seed: int) -> Iterator[tuple[str, Figures]]:
    """Each part with its figures, as soon as it is measured.

    Two are made at once; what others wait for comes first, and what nobody waits for, measuring,
    last.
    """
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        making = {pool.submit(make, p, output, seed): p for p in parts if AFTER.get(p) not in parts}
        measuring: dict[Future[Figures], tuple[str, Figures]] = {}
        while making or measuring:
            done, _ = wait([*making, *measuring], return_when=FIRST_COMPLETED)
            for future in done:
                if future in measuring:
                    part, made = measuring.pop(future)
                    yield part, made | future.result()
                    continue
                part = making.pop(future)
                waiting = [other for other in parts if AFTER.get(other) == part]
                making |= {pool.submit(make, other, output, seed): other for other in waiting}
                measuring[pool.submit(measure, part, output, seed)] = (part, future.result())


def _read_figures(output: Path) -> Figures:
    """Those of an earlier run, which ``--only`` keeps for the other parts."""
    path = output / "figures.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write_figures(output: Path, figures: Figures, seed: int) -> None:
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    write_model_card(output, figures, seed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m sdg_training.tiny", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="make this part alone")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
