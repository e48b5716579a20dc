"""What do a time-series network's filters do? Influence, clusters, saliency, highlighting, pruning (TSViz).

    uv run experiments/tsviz.py                                         # a forecaster of generated traffic
    uv run experiments/tsviz.py --config-name tsviz_internet            # of the real one
    uv run experiments/tsviz.py --config-name tsviz_anomalies           # a classifier of windows
    uv run experiments/tsviz.py data=csv_series data.path=mine.csv      # your own series
"""

from launch import launch

if __name__ == "__main__":
    launch("tsviz")
