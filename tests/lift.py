"""Lift operators and models out of a page, so that the page, not a copy of it, is under test."""

from helpers.pages import ROOT, code_cells, find_page, lift

__all__ = ["ROOT", "code_cells", "find_page", "lift"]
