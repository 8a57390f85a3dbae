"""The embedded default encoder: two frozen towers from wheels, joined by heads trained in this project."""

from search.encoders.starter.encoder import StarterEncoder

__all__ = ["StarterEncoder"]
