"""`python -m atft_core` is `atft`."""

from atft_core.cli import main

if __name__ == "__main__":
    main()
