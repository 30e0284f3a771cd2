"""The network: plain torch modules, no configuration beyond `ModelConfig`."""
