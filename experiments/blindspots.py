"""Blindspots of ConvNets (Hoffer, Fine, Soudry 2018): which signals does a model miss?

    uv run experiments/blindspots.py                                    # digits, about a minute
    uv run experiments/blindspots.py --config-name blindspots_table1    # the paper's Table 1 on CIFAR-10

Presets are configs/blindspots*.yaml; each says in its header what it does, how long it takes and what to expect.
"""

from launch import launch

if __name__ == "__main__":
    launch("blindspots")
