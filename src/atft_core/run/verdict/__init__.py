"""What limits a run right now, and what did so far."""
