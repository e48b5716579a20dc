"""The only home of Lightning: fit, resume, checkpoints."""
