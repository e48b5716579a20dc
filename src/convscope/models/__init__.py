"""Builders of torch networks; scikit-learn baselines in `classical`."""
