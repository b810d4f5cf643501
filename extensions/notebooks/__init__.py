"""Notebooks that run by themselves, made of the pages and their recordings."""
