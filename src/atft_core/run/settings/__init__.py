"""What a trial was to run with, and what its worker really has."""
