"""Looks at a network of images, each a file (Fleuret, EE-559, lecture 8: Under the hood)."""
