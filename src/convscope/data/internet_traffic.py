"""Internet traffic of the UK academic backbone, 5-minute values (Cortez et al. 2012; "B5M" in the TSViz paper)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from convscope.data.roots import absent
from convscope.data.series import Series, read_csv, series

VERSION = 1
KIND = "series"
FILE = "internet_traffic/internet-traffic-5min.csv"
SHA256 = "02d468f9c8ffd80eb66775ef3e8191b4cefc58cf24ab0d3fda4a7afc38e0b6a0"
TRAIN_END, TEST_END = 14000, 18000  # rows from 18,000 on are nobody's


def load(*, roots: Sequence[Path], cache: Path, download: bool = False) -> Series:
    """19,888 values from 2004-11-19 09:30 on: 14,000 to train on, 4,000 to test, the rest kept out of everything.

    Raises FileNotFoundError where no root has the file, ValueError where its contents are others.
    """
    file = next((found for root in roots if (found := Path(root) / FILE).is_file()), None)
    if file is None:
        raise absent("internet traffic", FILE, roots, "put src/datamark-internettrafficdata.csv of the repository "
                     "shoaibahmed/TSViz-Core there, under this name")
    if (found := hashlib.sha256(file.read_bytes()).hexdigest()) != SHA256:
        raise ValueError(f"{file} is not the series of the paper: expected the sha256 {SHA256[:12]}..., got "
                         f"{found[:12]}...; read another series by data=csv_series data.path=...")
    return series("internet_traffic", *read_csv(file), TRAIN_END, TEST_END)
