"""Perturbations that flip a prediction, and images from scratch that fool a network."""
