"""scikit-learn baselines (Hoffer et al., section 4.1)."""
