"""How well is a series forecast? Networks, baselines and intervals, on generated or real internet traffic.

    uv run experiments/traffic.py                                       # generated traffic
    uv run experiments/traffic.py --config-name traffic_internet        # the real one
    uv run experiments/traffic.py data=csv_series data.path=mine.csv    # your own
"""

from launch import launch

if __name__ == "__main__":
    launch("traffic")
