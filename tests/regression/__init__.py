"""Notebook regression: the recordings are executed again and compared."""
