"""A run in the shapes of other programs."""
