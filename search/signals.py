"""Receivers of the library's signals; they only write outbox rows."""
