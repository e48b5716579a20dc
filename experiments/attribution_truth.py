"""Which attribution finds the evidence? Every method's map, on networks that read a signal in known pixels.

    uv run experiments/attribution_truth.py
    uv run experiments/attribution_truth.py signal=pattern_pixels model=resnet8 seed=0   # one cell
"""

from launch import launch

if __name__ == "__main__":
    launch("attribution_truth")
