"""One file per pane of the main screen; no pane imports another."""
