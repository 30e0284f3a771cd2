"""The detached process that runs a study and outlives the terminal."""
