"""The run as it was at any moment, from its files alone."""
