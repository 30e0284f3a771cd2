"""Trials that run a program of the user's own, which need not know of atft."""
