import torch

from convscope.training.batches import DeviceBatches


def test_the_order_is_a_pure_function_of_seed_and_step():
    x, y = torch.rand(90, 2, 8, 8), torch.arange(90) % 3
    batches = DeviceBatches(x, y, batch_size=16, iterations=12, seed=0)
    seen = []
    while batches.step < 12:
        seen += [(step, bx.clone(), by.clone()) for step, bx, by in batches]
    assert [step for step, _, _ in seen] == list(range(12))
    for step, bx, by in reversed(seen):
        again_x, again_y = DeviceBatches(x, y, batch_size=16, iterations=99, seed=0).batch(step)
        assert torch.equal(bx, again_x)
        assert torch.equal(by, again_y)
    whole = torch.cat([bx for _, bx, _ in seen[:5]]).flatten(1)
    assert len(set(map(tuple, whole.tolist()))) == 80  # within an epoch no image comes twice
    nhwc = DeviceBatches(x, y, batch_size=16, iterations=12, seed=0, channels_last=True).batch(7)[0]
    assert torch.equal(nhwc, seen[7][1])
    assert nhwc.is_contiguous(memory_format=torch.channels_last)
    assert DeviceBatches(x, y, batch_size=500, iterations=12, seed=0).batch(3)[0].shape == x.shape
