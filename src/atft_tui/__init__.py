"""The console: one screen on a run directory. It never imports the engine."""
