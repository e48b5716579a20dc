"""The study under_the_hood."""
