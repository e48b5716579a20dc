"""Samples as points of fewer dimensions: what a measure of class overlap looks at instead of raw values."""
