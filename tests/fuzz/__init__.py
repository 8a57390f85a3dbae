"""Random bytes for the parsers that are Atelier's own: `make fuzz SECONDS=60 ONLY=xmp`.

Atheris finds inputs that take new ways through the code; a test runs the same targets on a fixed few.
"""
