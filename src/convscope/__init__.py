"""Convolutional networks under a scope: test them, debug them, look inside them."""
