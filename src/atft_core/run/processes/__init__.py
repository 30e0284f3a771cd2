"""The processes of a run, seen from outside: from /proc."""
