"""What earlier pages built: one module a page, written by `make export`, never edited."""
