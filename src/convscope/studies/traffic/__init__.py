"""The study traffic."""
