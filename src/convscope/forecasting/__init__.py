"""Forecasts without a network: what every network is measured against. One method, one file, one `forecast`."""
