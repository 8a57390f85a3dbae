"""Where each kind of file keeps its metadata, and how that is changed without touching a pixel."""
