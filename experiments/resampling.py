"""Resampling imbalanced classes (debugging paper, section 3.3 and Figure 3): does it help?

    uv run experiments/resampling.py                                     # moons and digits, minutes
    uv run experiments/resampling.py --config-name resampling_table      # MNIST, CIFAR-10 and SeeFood too
    uv run experiments/resampling.py data=table data.path=my.csv         # your own two classes
"""

from launch import launch

if __name__ == "__main__":
    launch("resampling")
