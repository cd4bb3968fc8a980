"""One training step in PyTorch, eager or compiled."""

import torch
from torch import nn
from torch.nn import functional as F

import protocol
import workload


class TwoBranches(nn.Module):
    def __init__(self, shape, dropout):
        super().__init__()
        self.fc1a = nn.Linear(shape.inputs, shape.hidden_a)
        self.fc2a = nn.Linear(shape.hidden_a, shape.outputs_a)
        self.fc1b = nn.Linear(shape.inputs, shape.outputs_a)
        self.bn1b = nn.BatchNorm1d(shape.outputs_a)
        self.fc2b = nn.Linear(shape.outputs_a, shape.classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        y_a = self.fc2a(self.dropout(F.relu(self.fc1a(x))))
        logits = self.fc2b(self.bn1b(F.relu(self.fc1b(x))) + y_a)
        return y_a, logits


def make_step(args, dropout):
    torch.manual_seed(0)
    x, y_a, y_b, params = workload.batch_and_parameters(args.shape)
    x, y_a, y_b = torch.from_numpy(x), torch.from_numpy(y_a), torch.from_numpy(y_b)
    net = TwoBranches(args.shape, workload.DROPOUT if dropout == "on" else 0.0)
    params = {name: torch.from_numpy(value) for name, value in params.items()}
    # BatchNorm's own initial values are the wanted ones: 1 and 0.
    missing, unexpected = net.load_state_dict(params, strict=False)
    assert not unexpected and all(name.startswith("bn1b.") for name in missing)

    if args.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            net.parameters(), lr=workload.LEARNING_RATE, momentum=workload.MOMENTUM, fused=True
        )
    else:
        optimizer = torch.optim.Adam(net.parameters(), lr=workload.LEARNING_RATE, fused=True)

    def loss_of(x, y_a, y_b):
        pred_a, logits = net(x)
        loss_a = 0.5 * ((pred_a - y_a) ** 2).sum(1).mean()
        return loss_a + F.cross_entropy(logits, y_b)

    if args.mode == "compile":
        loss_of = torch.compile(loss_of, fullgraph=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y_a, y_b)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def main():
    args = protocol.arguments(mode=["eager", "compile"])
    protocol.use_cores(args.threads)
    torch.set_num_threads(args.threads)
    protocol.serve(
        f"torch-{args.mode}", torch.__version__, lambda dropout: make_step(args, dropout)
    )


if __name__ == "__main__":
    main()
