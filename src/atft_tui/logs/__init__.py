"""Logs of any length: followed, read backwards and from a time on, merged, filtered."""
