"""Make the tiny models anew: ``python -m sdg_training.tiny``, in under an hour on two cores.

Writes the checkpoints, ``figures.json`` and ``MODEL_CARD.md`` in the output folder.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from sdg_training.tiny import WEIGHTS
from sdg_training.tiny.model_card import write_model_card
from sdg_training.tiny.parts import CHAINS, PARTS, Figures, make_chain


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    chains = [[options.only]] if options.only else CHAINS
    figures = _read_figures(options.output)
    with ProcessPoolExecutor(len(chains), mp_context=get_context("spawn")) as pool:
        chained = [pool.submit(make_chain, c, options.output, options.seed) for c in chains]
        for made in as_completed(chained):
            figures |= made.result()
            _write_figures(options.output, figures, options.seed)


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
