"""One trial: a worker process, its steps, its checkpoints."""
