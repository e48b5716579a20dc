"""The study diagnose."""
