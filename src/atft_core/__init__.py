"""atft: tune a model that ranks stocks, and believe only what was measured."""

__version__ = "0.1.0"
