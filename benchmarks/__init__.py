"""Side-by-side timings: alternatives alternate in one process, medians and ratios are printed."""
