"""The run directory: the contract of engine, console and scripts. Standard library only."""
