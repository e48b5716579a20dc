"""Techniques: ways to look at a trained network, one file each."""
