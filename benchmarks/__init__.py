"""Side-by-side timings: alternatives take turns on one machine; medians and ratios are printed."""
