"""What the criteria, gates and rules of a stage say about a run, and what they rest on."""
