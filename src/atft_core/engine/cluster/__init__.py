"""Trials on the nodes of a Ray cluster. Ray places them; all else is as on one machine."""
