"""The study blindspots."""
