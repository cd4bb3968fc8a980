"""A random search over 200 small networks on a table, in scikit-learn or plain PyTorch, beside
`anabranch sweep`.

    python sweep.py --peer sklearn --data winequality-red.csv --regress alcohol --classify quality

Each trial draws a learning rate, a batch size and a number of hidden units, as the config file
`sweep.toml` in this folder does, and trains for the same number of epochs without dropout. PyTorch
trains one network with two branches; scikit-learn, which has no such network, an `MLPRegressor` and
an `MLPClassifier`. Trials run in processes of one thread each. Prints one JSON object: seconds of
the clock and of all processors from the table in memory to the best trial, and its score, which is
the one of docs/sweep.md.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
import warnings

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np  # noqa: E402  (reads the variables)

BATCH_SIZES = [32, 64, 128]
DATA = {}


def arguments():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--peer", choices=["sklearn", "torch"], required=True)
    parser.add_argument("--data", required=True, metavar="FILE.csv")
    parser.add_argument("--separator", default=",")
    parser.add_argument("--regress", required=True, metavar="COLUMN")
    parser.add_argument("--classify", required=True, metavar="COLUMN")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def read(args):
    """Standardised inputs and targets: rows to train, and to validate."""
    names = open(args.data).readline().strip().replace('"', "").split(args.separator)
    table = np.loadtxt(args.data, delimiter=args.separator, skiprows=1)
    y = table[:, names.index(args.regress)]
    _, labels = np.unique(table[:, names.index(args.classify)], return_inverse=True)
    inputs = [i for i, name in enumerate(names) if name not in (args.regress, args.classify)]
    order = np.random.default_rng(args.seed).permutation(len(table))
    # 20 % of the rows are for testing, which a search does not do.
    n_train, n_validation = round(0.7 * len(table)), round(0.1 * len(table))
    train, validation = order[:n_train], order[n_train : n_train + n_validation]
    x = table[:, inputs]
    x = (x - x[train].mean(0)) / x[train].std(0)
    y = (y - y[train].mean()) / y[train].std()
    return {
        part: (x[rows].astype(np.float32), y[rows].astype(np.float32), labels[rows])
        for part, rows in [("train", train), ("validation", validation)]
    } | {"classes": labels.max() + 1}


def draw(seed, trial):
    random = np.random.default_rng([seed, trial])
    return {
        "lr": float(np.exp(random.uniform(np.log(1e-3), np.log(3e-2)))),
        "batch": int(random.choice(BATCH_SIZES)),
        "hidden": int(random.integers(8, 65)),
    }


def score(predicted, probabilities):
    """The share of the simplest predictions' error that is left, the mean of both columns."""
    _, y, labels = DATA["validation"]
    frequencies = np.bincount(DATA["train"][2], minlength=DATA["classes"]) / len(DATA["train"][2])
    log_loss = -np.log(np.maximum(probabilities[np.arange(len(y)), labels], 1e-12)).mean()
    simplest = -np.log(frequencies[labels]).mean()
    return float((np.mean((predicted - y) ** 2) / np.mean(y**2) + log_loss / simplest) / 2)


def sklearn_trial(settings, epochs, seed):
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.filterwarnings("ignore", module="sklearn")
    same = dict(
        learning_rate_init=settings["lr"],
        batch_size=settings["batch"],
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    x, y, labels = DATA["train"]
    numbers = MLPRegressor(hidden_layer_sizes=settings["hidden"], **same).fit(x, y)
    classes = MLPClassifier(hidden_layer_sizes=64, **same).fit(x, labels)
    x = DATA["validation"][0]
    probabilities = np.zeros((len(x), DATA["classes"]))
    probabilities[:, classes.classes_] = classes.predict_proba(x)
    return score(numbers.predict(x), probabilities)


def torch_trial(settings, epochs, seed):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(1)
    torch.manual_seed(seed)

    class TwoBranch(nn.Module):
        def __init__(self, inputs, hidden, classes):
            super().__init__()
            self.fc1a, self.fc2a = nn.Linear(inputs, hidden), nn.Linear(hidden, 1)
            self.fc1b, self.bn1b = nn.Linear(inputs, 64), nn.BatchNorm1d(64)
            self.fc2b = nn.Linear(64, classes)

        def forward(self, x):
            y = self.fc2a(F.relu(self.fc1a(x)))
            return y, self.fc2b(self.bn1b(F.relu(self.fc1b(x))) + y)

    x, y, labels = (torch.from_numpy(part) for part in DATA["train"])
    net = TwoBranch(x.shape[1], settings["hidden"], int(DATA["classes"]))
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["lr"], fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(settings["batch"]):
            optimizer.zero_grad(set_to_none=True)
            numbers, scores = net(x[rows])
            loss = 0.5 * F.mse_loss(numbers[:, 0], y[rows]) + F.cross_entropy(scores, labels[rows])
            loss.backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        numbers, scores = net(torch.from_numpy(DATA["validation"][0]))
    return score(numbers[:, 0].numpy(), scores.softmax(1).numpy())


def run(job):
    peer, seed, epochs, trial = job
    train = {"sklearn": sklearn_trial, "torch": torch_trial}[peer]
    return train(draw(seed, trial), epochs, seed), trial


def processor_seconds():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main():
    args = arguments()
    DATA.update(read(args))
    jobs = [(args.peer, args.seed, args.epochs, trial) for trial in range(args.trials)]
    # Imports are not part of the search.
    __import__("sklearn.neural_network" if args.peer == "sklearn" else "torch")
    start, used = time.perf_counter(), processor_seconds()
    if args.processes == 1:
        results = [run(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(args.processes) as pool:
            results = pool.map(run, jobs, chunksize=1)
            pool.close()
            pool.join()
    seconds, used = time.perf_counter() - start, processor_seconds() - used
    best, trial = min(results)
    print(
        json.dumps(
            {
                "peer": args.peer,
                "trials": args.trials,
                "processes": args.processes,
                "seconds": round(seconds, 3),
                "processor_seconds": round(used, 3),
                "score": round(best, 4),
                "best": draw(args.seed, trial),
            }
        )
    )


if __name__ == "__main__":
    main()
