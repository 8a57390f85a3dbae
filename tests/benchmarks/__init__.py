"""Measurements against a named peer or floor in the same run; `make bench` runs them."""
