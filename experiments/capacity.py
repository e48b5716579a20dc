"""Network capacity in bits against data complexity (debugging paper, Figure 2): how much can a network hold?

    uv run experiments/capacity.py                                   # the suite's networks on digits, seconds
    uv run experiments/capacity.py data=cifar10,mnist                # on other data
    uv run experiments/capacity.py --config-name capacity_imagenet   # torchvision's networks for ImageNet
"""

from launch import launch

if __name__ == "__main__":
    launch("capacity")
