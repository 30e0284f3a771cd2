"""What every model must beat, on the same rows and days."""
