"""Image conditions with a magnitude."""
