"""What the `sdg` commands do; `cli.py` says how they are called."""
