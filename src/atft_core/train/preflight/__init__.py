"""`python -m atft_core.train.preflight RUN_DIR`: seconds of checks before hours of compute."""
