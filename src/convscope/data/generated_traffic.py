"""Generated traffic: no measurement, but days, weeks and bursts as in a real one. The default, which needs no file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convscope.data.series import Series, series
from convscope.family import Count

VERSION = 1
KIND = "series"
PER_DAY = 96  # a value every 15 minutes


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, seed: int, days: Count = 42) -> Series:
    """`days` days of values around 1,000, the last fifth of them for the test; drawn by the run's seed.

    level x day x week x hour x noise: a slow random walk of the level, a profile of the day with its peak in the
    afternoon, quieter weekends, a small bump on the hour, and noise of an AR(1) process, all multiplied.
    """
    if days < 10:
        raise ValueError(f"generated_traffic needs at least 10 days, a week and something to learn, got {days}")
    rng = np.random.RandomState([seed % 2**32, 7])  # RandomState, not Generator: numpy keeps its streams for ever
    n = days * PER_DAY
    t = np.arange(n)
    hour = 24 * (t % PER_DAY) / PER_DAY
    day = 1 + 0.45 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.12 * np.sin(4 * np.pi * (hour - 7) / 24)
    noons, weekend = (np.arange(days) + 0.5) * PER_DAY, np.arange(days) % 7 >= 5
    week = np.interp(t, noons, np.where(weekend, 0.7, 1.0))  # from noon to noon: no value jumps at midnight
    level = np.interp(t, noons, np.exp(np.cumsum(rng.normal(0, 0.15, days)) * 0.3))
    bump = np.where(t % 4 == 0, 1.03, 1.0)
    noise, shocks = np.zeros(n), rng.normal(0, 0.02, n)
    for i in range(1, n):
        noise[i] = 0.9 * noise[i - 1] + shocks[i]
    times = np.datetime64("2024-01-01T00:00:00") + t * np.timedelta64(15, "m")
    test = days // 5 * PER_DAY
    return series("generated_traffic", times, 1000 * level * day * week * bump * np.exp(noise), n - test, n)
