"""The study tsviz."""
