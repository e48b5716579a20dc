"""What is wrong with this network on these data? One page of findings, as markdown and html.

    uv run experiments/diagnose.py                                                       # resnet8 on digits, a minute
    uv run experiments/diagnose.py data=image_folder data.path=my_images model=resnet20  # your own images
    uv run experiments/diagnose.py data=table data.path=my.csv model=mlp                 # your own table
    uv run experiments/diagnose.py --config-dir my_lab/configs model=my_net              # your own network
"""

from launch import launch

if __name__ == "__main__":
    launch("diagnose")
