"""The study resampling."""
