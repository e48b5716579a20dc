"""Bits that a network can hold (Friedland et al. 2018), and networks of a wanted size."""
