"""A small convolutional autoencoder: the code of images that it was trained to rebuild, without labels."""

import numpy as np

from convscope.family import Count, Positive
from convscope.rng import seeded

VERSION = 1
KINDS = ("image",)


def embed(x: np.ndarray, *, rng: np.random.Generator, dims: Count = 64, width: Count = 16, epochs: Count = 20,
          batch_size: Count = 64, lr: Positive = 2e-3) -> np.ndarray:
    """float32 [N, dims] of images x float32 [N, C, H, W] in [0, 1], by the autoencoder that these images train.

    Two convolutions of stride 2 and a linear layer to the code, and back; squared error, Adam.
    Raises ValueError for other inputs.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    if x.ndim != 4:
        raise ValueError(f"autoencoder embeds images [N, C, H, W], got the shape {list(x.shape)}; use pca or raw")
    images, (channels, height, wide) = torch.from_numpy(x), x.shape[1:]
    grid = (2 * width, -(-height // 4), -(-wide // 4))
    values = grid[0] * grid[1] * grid[2]
    with seeded(int(rng.integers(2**62)), "init"):
        encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(values, dims))
        decoder = nn.Sequential(
            nn.Linear(dims, values), nn.ReLU(), nn.Unflatten(1, grid), nn.Upsample(scale_factor=2),
            nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(width, channels, 3, padding=1), nn.Sigmoid())
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr)
    for _ in range(epochs):
        for index in torch.from_numpy(rng.permutation(len(x))).split(batch_size):
            batch = images[index]
            loss = functional.mse_loss(decoder(encoder(batch))[..., :height, :wide], batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return torch.cat([encoder(batch) for batch in images.split(256)]).numpy()
