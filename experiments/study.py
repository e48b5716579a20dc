"""Any study by its preset: above all one of your own, see "Extend it" in the README.

    uv run experiments/study.py --config-dir my_lab/configs --config-name flips
"""

from launch import launch

if __name__ == "__main__":
    launch(None)
