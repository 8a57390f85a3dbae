"""Decodes files of strangers in a process of its own: `python -m dam.decoder`, started by `dam.decoders`.

Nothing here knows Django, settings, secrets or the database; import-linter sees to it.
"""
