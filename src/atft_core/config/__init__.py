"""The typed, frozen configuration: schema, where each value came from, environment names."""
