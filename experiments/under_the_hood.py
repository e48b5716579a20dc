"""What did a ConvNet learn? Every technique of the lecture Under the hood, one contact sheet each.

    uv run experiments/under_the_hood.py                                                        # resnet8 on digits
    uv run experiments/under_the_hood.py --config-name under_the_hood_mnist                     # LeNet
    uv run experiments/under_the_hood.py --config-name under_the_hood_imagenet data.path=mine   # pretrained networks
"""

from launch import launch

if __name__ == "__main__":
    launch("under_the_hood")
