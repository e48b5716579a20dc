"""Looks at a network over time, each a file (Siddiqui et al. 2019, TSViz)."""
