"""The study complexity."""
