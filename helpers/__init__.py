"""What the pages import: the plumbing that would only distract from operators and models."""
