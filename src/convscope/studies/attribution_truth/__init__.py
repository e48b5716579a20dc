"""The study attribution_truth."""
