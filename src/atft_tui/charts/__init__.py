"""Curves of a trial, and what they are drawn with."""
