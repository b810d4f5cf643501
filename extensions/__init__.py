"""Sphinx extensions of this book, and the command that records its pages."""
