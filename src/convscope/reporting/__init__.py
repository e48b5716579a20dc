"""Rows to tables and figures; the W&B mirror. Imports no torch."""
