"""Imbalanced classes: resamplers with the interface of imbalanced-learn, and a sampler for torch."""
