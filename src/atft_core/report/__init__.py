"""One HTML page about a run, for people without a terminal (extra `report`)."""
