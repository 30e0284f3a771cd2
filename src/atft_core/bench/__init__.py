"""Measurements that anyone can repeat: ratios from one run, on this machine."""
