"""From a CSV file to a trained two-branch network in plain PyTorch, tensors in memory.

    python train_torch.py --data diamonds.csv --regress price --classify cut

Prints one JSON object: seconds from the file to tensors, seconds of training (validation after
each epoch included; imports are in neither), and the scores on the test rows.
"""

import argparse
import csv
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def arguments():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FILE.csv")
    parser.add_argument("--regress", required=True, metavar="COLUMN")
    parser.add_argument("--classify", required=True, metavar="COLUMN")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--hidden-a", type=int, default=128)
    parser.add_argument("--hidden-b", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--test-fraction", type=float, default=0.2)
    parser.add_argument("--validation-fraction", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read_table(path):
    """Columns by name: float32 where every cell is a number, else text."""
    with open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        cells = np.array(list(rows))
    table = {}
    for name, column in zip(names, cells.T):
        try:
            table[name] = column.astype(np.float32)
        except ValueError:
            table[name] = column
    return table


def split(count, args):
    """Shuffled row indices for training, validation and test."""
    order = np.random.default_rng(args.seed).permutation(count)
    tests = round(count * args.test_fraction)
    validations = round(count * args.validation_fraction)
    return np.split(order, [count - tests - validations, count - tests])


def standardise(column, train):
    mean, std = column[train].mean(), column[train].std()
    return (column - mean) / std, mean, std


def encode(table, train, args):
    """Inputs (standardised numbers, one-hot text), standardised y_a, class index y_b."""
    columns = []
    for name, column in table.items():
        if name in (args.regress, args.classify):
            continue
        if column.dtype == np.float32:
            columns.append(standardise(column, train)[0])
        else:
            columns.extend((column == level).astype(np.float32) for level in np.unique(column))
    y_a, _, std = standardise(table[args.regress], train)
    levels, y_b = np.unique(table[args.classify], return_inverse=True)
    return np.stack(columns, 1), y_a[:, None], y_b, len(levels), std


class TwoBranches(nn.Module):
    def __init__(self, inputs, classes, args):
        super().__init__()
        self.fc1a = nn.Linear(inputs, args.hidden_a)
        self.fc2a = nn.Linear(args.hidden_a, 1)
        self.fc1b = nn.Linear(inputs, args.hidden_b)
        self.bn1b = nn.BatchNorm1d(args.hidden_b)
        self.fc2b = nn.Linear(args.hidden_b, classes)
        self.dropout = nn.Dropout(args.dropout)

    def forward(self, x):
        y_a = self.fc2a(self.dropout(F.relu(self.fc1a(x))))
        logits = self.fc2b(self.bn1b(F.relu(self.fc1b(x))) + y_a)
        return y_a, logits


def loss_of(net, x, y_a, y_b):
    pred_a, logits = net(x)
    return 0.5 * ((pred_a - y_a) ** 2).sum(1).mean() + F.cross_entropy(logits, y_b)


def batches(count, size):
    """A shuffled epoch; BatchNorm refuses a last batch of one row, so the one before takes it."""
    order = torch.randperm(count)
    starts = list(range(0, count, size))
    if count % size == 1 and len(starts) > 1:
        starts.pop()
    return order.tensor_split(starts[1:])


def train(net, training, validation, args):
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr, fused=True)
    x, y_a, y_b = training
    for _ in range(args.epochs):
        net.train()
        for rows in batches(len(x), args.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss_of(net, x[rows], y_a[rows], y_b[rows]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            loss_of(net, *validation)


def scores(net, test, args, std):
    x, y_a, y_b = test
    net.eval()
    with torch.no_grad():
        pred_a, logits = net(x)
    error = (pred_a - y_a).square()
    return {
        args.regress: {
            "rmse": (error.mean().sqrt() * std).item(),
            "r2": (1 - error.sum() / (y_a - y_a.mean()).square().sum()).item(),
        },
        args.classify: {
            "accuracy": (logits.argmax(1) == y_b).float().mean().item(),
            "log_loss": F.cross_entropy(logits, y_b).item(),
        },
    }


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    begin = time.perf_counter()
    table = read_table(args.data)
    parts = split(len(table[args.regress]), args)
    x, y_a, y_b, classes, std = encode(table, parts[0], args)
    training, validation, test = (
        tuple(torch.from_numpy(array[rows]) for array in (x, y_a, y_b)) for rows in parts
    )
    loaded = time.perf_counter()
    net = TwoBranches(x.shape[1], classes, args)
    train(net, training, validation, args)
    trained = time.perf_counter()

    result = {
        "rows": len(x),
        "train_rows": len(training[0]),
        "test_rows": len(test[0]),
        "inputs": x.shape[1],
        "epochs": args.epochs,
        "threads": args.threads,
        "load_seconds": loaded - begin,
        "train_seconds": trained - loaded,
        "test": scores(net, test, args, std),
        "peer": "torch-eager",
        "version": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
