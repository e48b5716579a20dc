"""Data sets by name: fixed splits, values in [0, 1], a fingerprint."""
