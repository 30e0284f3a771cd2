"""`python -m atft_tui`."""

from atft_tui.cli import main

main()
