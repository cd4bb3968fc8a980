"""The network's sizes, and the data that every peer starts from.

The generator is documented in README.md; rust/harness/src/workload.rs is the same in Rust.
"""

from typing import NamedTuple

import numpy as np

SEED = 12345
LEARNING_RATE = 1e-3
MOMENTUM = 0.9
DROPOUT = 0.5


class Shape(NamedTuple):
    """Rows of the batch and widths of the two branches."""

    rows: int
    inputs: int
    hidden_a: int
    outputs_a: int  # also the width of branch B's hidden layer
    classes: int


class Lcg:
    """x ← 1664525·x + 1013904223 (mod 2³²); the upper 24 bits are the number."""

    def __init__(self, seed):
        self.state = np.uint32(seed)

    def draw(self, count):
        """The next `count` numbers, as uint32 below 2**24.

        `states[:done]` moved on by `done` steps is `states[done:2 * done]`, and a jump of twice
        the length is x ↦ a(ax + c) + c.
        """
        states = np.empty(count, np.uint32)
        a, c = np.uint32(1664525), np.uint32(1013904223)
        with np.errstate(over="ignore"):
            states[0] = a * self.state + c
            done = 1
            while done < count:
                more = min(done, count - done)
                states[done : done + more] = a * states[:more] + c
                done += more
                a, c = a * a, a * c + c
        self.state = states[-1]
        return states >> np.uint32(8)

    def uniform(self, shape, bound):
        """Uniform in ±`bound`: exact in float32 up to the one product."""
        unit = self.draw(int(np.prod(shape))).astype(np.float32) / np.float32(2**24)
        return ((2 * unit - 1) * np.float32(bound)).reshape(shape)

    def labels(self, count, classes):
        return (self.draw(count) % np.uint32(classes)).astype(np.int64)


def batch_and_parameters(shape):
    """x, y_a, y_b and the initial parameters by name, weights `[out, in]`, in the order drawn."""
    rng = Lcg(SEED)
    rows, inputs, hidden_a, outputs_a, classes = shape

    x = rng.uniform((rows, inputs), 1.7)
    y_a = rng.uniform((rows, outputs_a), 1.7)
    y_b = rng.labels(rows, classes)
    params = {}
    for name, outs, ins in [
        ("fc1a", hidden_a, inputs),
        ("fc2a", outputs_a, hidden_a),
        ("fc1b", outputs_a, inputs),
        ("fc2b", classes, outputs_a),
    ]:
        bound = np.float32(1) / np.sqrt(np.float32(ins))
        params[f"{name}.weight"] = rng.uniform((outs, ins), bound)
        params[f"{name}.bias"] = rng.uniform((outs,), bound)
    return x, y_a, y_b, params
