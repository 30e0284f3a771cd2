"""Trials that compute nothing, run by the real engine: what supervision itself costs, and breaks.

`python -m atft_core.bench.empty start < spec.json` or `resume RUN_DIR` is the engine with these
programs in the place of those that train. Its workers keep the contract of the run directory:
journal, checkpoints, metrics, last word.
"""
