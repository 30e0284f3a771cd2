"""A look at this machine, once a second, beside what the run itself recorded."""
