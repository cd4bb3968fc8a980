#!/usr/bin/env python3
"""Draw the oracle cases beside this file with PyTorch's automatic differentiation, in float64.

    pip install torch numpy safetensors
    python make_cases.py

The format is that of `src/oracle`. Nothing of this project takes part in a case: it is what torch.nn and torch.optim
make of the network's definition.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

SIZES = dict(rows=6, inputs=4, hidden_a=5, units=3, classes=3, steps=3)
NETWORK = dict(dropout=0.4, bn_eps=1e-5, bn_momentum=0.1)
LOSS = dict(weight_a=1.0, weight_b=1.0)
OPTIMIZER = dict(kind="sgd", lr=0.05, weight_decay=0.0)
LABELS = dict(soft=False, dead_unit=False, zero_gradients=False, logit_scale=1.0)
DEFAULTS = SIZES | NETWORK | LOSS | OPTIMIZER | LABELS

# One case for each optimizer, then one for each corner of the network.
CASES = {
    "sgd": {},
    "momentum_decay": dict(kind="momentum", weight_decay=0.02),
    "nesterov_soft_labels": dict(kind="nesterov", soft=True, weight_a=0.3, weight_b=2.5),
    "adam_decay": dict(kind="adam", weight_decay=0.02),
    "adamw_decay": dict(kind="adamw", weight_decay=0.02),
    "rmsprop": dict(kind="rmsprop", lr=0.01),
    "adagrad": dict(kind="adagrad", soft=True),
    "two_rows": dict(rows=2, bn_eps=0.5),
    "widths_of_one": dict(kind="momentum", inputs=1, hidden_a=1, units=1, classes=1, bn_eps=0.1),
    "no_dropout": dict(kind="nesterov", dropout=0.0, bn_momentum=0.3),
    "heavy_dropout": dict(kind="momentum", dropout=0.95, rows=9, lr=0.01),
    "dead_unit": dict(kind="momentum", dead_unit=True),
    "zero_gradients": dict(kind="adagrad", zero_gradients=True, weight_b=1e3),
    "huge_logits": dict(logit_scale=1e4, steps=1, lr=1e-6),
}


class TwoBranch(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1a = nn.Linear(c["inputs"], c["hidden_a"])
        self.fc2a = nn.Linear(c["hidden_a"], c["units"])
        self.fc1b = nn.Linear(c["inputs"], c["units"])
        self.bn1b = nn.BatchNorm1d(c["units"], eps=c["bn_eps"], momentum=c["bn_momentum"])
        self.fc2b = nn.Linear(c["units"], c["classes"])

    def forward(self, x, keep=None):
        """Predictions of task A and scores of task B; `keep` is dropout's mask over 1 - p."""
        h = self.fc1a(x).relu()
        y_a = self.fc2a(h if keep is None else h * keep)
        return y_a, self.fc2b(self.bn1b(self.fc1b(x).relu()) + y_a)


def optimizer(c, parameters):
    lr, decay = c["lr"], dict(weight_decay=c["weight_decay"])
    return {
        "sgd": lambda: torch.optim.SGD(parameters, lr, **decay),
        "momentum": lambda: torch.optim.SGD(parameters, lr, momentum=0.9, **decay),
        "nesterov": lambda: torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True, **decay),
        "adam": lambda: torch.optim.Adam(parameters, lr, **decay),
        "adamw": lambda: torch.optim.AdamW(parameters, lr, **decay),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, lr, **decay),
        "adagrad": lambda: torch.optim.Adagrad(parameters, lr, **decay),
    }[c["kind"]]()


def draw(c, seed):
    """The tensors of a case, and whether it can be compared in single precision."""
    torch.manual_seed(seed)
    net = TwoBranch(c)
    with torch.no_grad():
        # Away from the defaults γ = 1 and β = 0, which hide mistakes.
        net.bn1b.weight += 0.5 * torch.randn(c["units"])
        net.bn1b.bias += 0.3 * torch.randn(c["units"])
        net.fc2b.weight *= c["logit_scale"]
        if c["dead_unit"]:
            net.fc1b.bias[0] = -1e3
        if c["zero_gradients"]:
            # Units that are on in every row: batch normalisation takes their bias away again.
            net.fc1b.bias += 10.0
    k, m = c["steps"], c["rows"]
    x, y_a = torch.randn(k, m, c["inputs"]), torch.randn(k, m, c["units"])
    scores = torch.randn(k, m, c["classes"])
    y_b = scores.softmax(-1) if c["soft"] else F.one_hot(scores.argmax(-1), c["classes"]).to(x)
    mask = (torch.rand(k, m, c["hidden_a"]) >= c["dropout"]).to(x)
    tensors = {"x": x, "y_a": y_a, "y_b": y_b, "mask": mask}
    for name, value in net.named_parameters():
        tensors[f"param.{name}"] = value.detach().clone()

    steps, comparable = [], True
    optim = optimizer(c, net.parameters())
    for t in range(k):
        # A unit of branch B that is on in every row has a bias gradient that is zero in exact arithmetic: what float32
        # leaves there is above the measure's floor. One case is about that.
        comparable &= c["zero_gradients"] or not bool((net.fc1b(x[t]) > 0).all(0).any())
        optim.zero_grad()
        y_a_hat, z = net(x[t], mask[t] / (1 - c["dropout"]))
        squared_error = 0.5 * (y_a_hat - y_a[t]).square().sum(1)
        cross_entropy = -(y_b[t] * z.log_softmax(1)).sum(1)
        loss = (c["weight_a"] * squared_error + c["weight_b"] * cross_entropy).mean()
        loss.backward()
        step = {"loss": loss, "y_a_hat": y_a_hat, "y_b_hat": z.softmax(1)}
        step |= {f"grad.{name}": value.grad for name, value in net.named_parameters()}
        steps.append({name: value.detach().clone() for name, value in step.items()})
        optim.step()
    for name in steps[0]:
        tensors[f"expect.{name}"] = torch.stack([step[name] for step in steps])
    for name, value in net.named_parameters():
        tensors[f"expect.param.{name}"] = value.detach()
    tensors["expect.bn1b.running_mean"] = net.bn1b.running_mean
    tensors["expect.bn1b.running_var"] = net.bn1b.running_var
    net.eval()
    with torch.no_grad():
        y_a_hat, z = net(x[0])
    tensors |= {"expect.eval.y_a_hat": y_a_hat, "expect.eval.y_b_hat": z.softmax(1)}
    return tensors, comparable


def main():
    torch.set_default_dtype(torch.float64)
    for name, changes in CASES.items():
        c = DEFAULTS | changes
        seed, comparable = 0, False
        while not comparable:
            seed += 1
            tensors, comparable = draw(c, seed)
        case = {
            "format": "anabranch-oracle-1",
            "oracle": f"torch {torch.__version__} float64",
            "network": {"inputs": c["inputs"], "hidden_a": c["hidden_a"], "outputs_a": c["units"],
                        "classes": c["classes"]} | {key: c[key] for key in NETWORK},
            "loss": {key: c[key] for key in LOSS},
            "optimizer": {key: c[key] for key in OPTIMIZER},
            "rows": c["rows"], "steps": c["steps"], "seed": seed,
        }
        path = Path(__file__).with_name(f"{name}.safetensors")
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        save_file(tensors, path, metadata={"case": json.dumps(case)})
        print(f"{path.name}: seed {seed}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
