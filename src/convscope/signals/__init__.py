"""Truth-revealing encodings (Hoffer et al., On the Blindspots of Convolutional Networks)."""
