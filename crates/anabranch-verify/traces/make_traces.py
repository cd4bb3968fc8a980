#!/usr/bin/env python3
"""Train small rivers with PyTorch, in float64 and float32, and write down what became of each run.

    pip install torch numpy
    python make_traces.py [--seed N] [--out FOLDER] [NAME ...]

`anabranch verify NAME.json` trains the same network by the program's own trainer. What they share is the description of
the river, the settings, the data and docs/random.md, which philox.py is written from; gradients, updates, learning
rates, clipping, early stopping and metrics are PyTorch's or spelled out here.
"""
import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import philox
from cases import CASES, DEFAULTS

F64 = torch.float64


class River(nn.Module):
    """A river of its description."""

    def __init__(self, river):
        super().__init__()
        self.river, self.arrays, self.norms = river, nn.ParameterDict(), nn.ModuleDict()
        self.decayed, self.spread, self.order, self.width_of, widths = set(), {}, [], {}, {}
        for branch in river["branches"]:
            width = widths[branch["from"]][0] if "from" in branch else river["inputs"]
            for layer in branch["layers"]:
                width = self.add(layer, width)
            for join in branch["joins"]:
                if join["join"] == "project":
                    self.weight(join, [width, widths[join["from"]][1]], "xavier_uniform")
            outputs = self.add(branch["head"]["layer"], width) if "head" in branch else None
            widths[branch["name"]] = (width, outputs)

    def add(self, layer, width):
        """The arrays of a layer; its columns."""
        (kind, settings), = layer["layer"].items()
        self.width_of[layer["name"]] = width
        if kind == "linear":
            self.weight(layer, [settings["outputs"], width], settings["init"])
            self.array(layer, "bias", [settings["outputs"]], 0.0)
            return settings["outputs"]
        if kind == "batch_norm":
            units = width if settings["affine"] == "per_unit" else 1
            self.array(layer, "weight", [units], 1.0)
            self.array(layer, "bias", [units], 0.0)
            norm = nn.BatchNorm1d(width, settings["eps"], settings["momentum"], affine=False, dtype=F64)
            self.norms[key(layer["name"])] = norm
        return width

    def array(self, layer, name, shape, value):
        name = f"{layer['name']}.{name}"
        self.order.append(name)
        self.arrays[key(name)] = nn.Parameter(torch.full(shape, value, dtype=F64))
        return name

    def weight(self, layer, shape, init):
        name = self.array(layer, "weight", shape, 0.0)
        self.decayed.add(name)
        outputs, inputs = shape
        variance = 2 / inputs if init == "kaiming_uniform" else 2 / (inputs + outputs)
        self.spread[name] = (layer["stream"], math.sqrt(variance) * math.sqrt(3))

    def draw(self, seed):
        """Initial weights by the seed, as docs/random.md says."""
        for name, (stream, bound) in self.spread.items():
            sequence, array = philox.Sequence(seed, philox.INIT, stream), self[name]
            values = [bound * (2 * sequence.uniform() - 1) for _ in range(array.numel())]
            array.data = torch.tensor(values, dtype=array.dtype).reshape(array.shape)

    def __getitem__(self, name):
        return self.arrays[key(name)]

    def named(self):
        return {name: self[name] for name in self.order}

    def state(self):
        norms = {layer["name"]: self.norms[key(layer["name"])] for layer in self.layers("batch_norm")}
        names = ["running_mean", "running_var"]
        return {f"{layer}.{name}": getattr(norm, name) for layer, norm in norms.items() for name in names}

    def layers(self, kind):
        layers = (layer for branch in self.river["branches"] for layer in branch["layers"])
        return [layer for layer in layers if kind in layer["layer"]]

    def forward(self, x, masks=None):
        """The predictions of the heads; `masks` by the names of the dropout layers, in training."""
        ends, predictions = {}, []
        for branch in self.river["branches"]:
            y = ends[branch["from"]][0] if "from" in branch else x
            for layer in branch["layers"]:
                y = self.apply_layer(layer, y, masks)
            trunk = y
            for join in branch["joins"]:
                right = ends[join["from"]][1]
                y = y + (right @ self[f"{join['name']}.weight"].T if join["join"] == "project" else right)
            head = self.apply_layer(branch["head"]["layer"], y, masks) if "head" in branch else None
            ends[branch["name"]] = (trunk, head)
            predictions += [] if head is None else [head]
        return predictions

    def apply_layer(self, layer, x, masks):
        name, ((kind, settings),) = layer["name"], layer["layer"].items()
        if kind == "linear":
            return F.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])
        if kind == "activation":
            return {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh, "identity": lambda x: x}[settings](x)
        if kind == "dropout":
            return x if masks is None else x * masks[name]
        norm = self.norms[key(name)]
        before = norm.running_var.clone()
        y = norm(x) * self[f"{name}.weight"] + self[f"{name}.bias"]
        if masks is not None and settings["running"] == "biased":
            norm.running_var = (1 - norm.momentum) * before + norm.momentum * x.detach().var(0, correction=0)
        return y


def key(name):
    """A name as PyTorch allows it."""
    return name.replace(".", "/")


def row_losses(loss, prediction, target):
    """The loss of each row."""
    kind, settings = (loss, {}) if isinstance(loss, str) else next(iter(loss.items()))
    if kind == "half_squared_error":
        return 0.5 * (prediction - target).square().sum(1)
    if kind == "absolute_error":
        return F.l1_loss(prediction, target, reduction="none").sum(1)
    if kind == "huber":
        return F.huber_loss(prediction, target, reduction="none", delta=settings["delta"]).sum(1)
    if kind == "pinball":
        u, q = target - prediction, settings["quantile"]
        return torch.maximum(q * u, (q - 1) * u).sum(1)
    if kind == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(prediction, target, reduction="none").sum(1)
    weights = settings.get("class_weights")
    weights = None if weights is None else torch.tensor(weights, dtype=prediction.dtype)
    smoothing = settings.get("label_smoothing", 0.0)
    return F.cross_entropy(prediction, target, weights, reduction="none", label_smoothing=smoothing)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, which torch.optim lacks."""

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * (0.9 * m + (1 - 0.9) * p.grad).sign())
                m.copy_(0.99 * m + (1 - 0.99) * p.grad)


def make_optimizer(net, c):
    decayed = [array for name, array in net.named().items() if name in net.decayed]
    others = [array for name, array in net.named().items() if name not in net.decayed]
    groups = [{"params": decayed, "weight_decay": c["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    lr, optim = c["lr"], torch.optim
    return {
        "sgd": lambda: optim.SGD(groups, lr),
        "momentum": lambda: optim.SGD(groups, lr, momentum=0.9),
        "nesterov": lambda: optim.SGD(groups, lr, momentum=0.9, nesterov=True),
        "adam": lambda: optim.Adam(groups, lr),
        "adamw": lambda: optim.AdamW(groups, lr),
        "rmsprop": lambda: optim.RMSprop(groups, lr),
        "adagrad": lambda: optim.Adagrad(groups, lr),
        "lion": lambda: Lion(groups, {"lr": lr}),
    }[c["optimizer"]]()


def make_schedule(optimizer, schedule, n_steps):
    """PyTorch's, and whether it goes on by steps, epochs or losses."""
    (kind, s), = schedule.items()
    lr = torch.optim.lr_scheduler
    if kind == "step":
        return lr.StepLR(optimizer, s["every_epochs"], s["gamma"]), "epoch"
    if kind == "exponential":
        return lr.ExponentialLR(optimizer, s["gamma"]), "epoch"
    if kind == "plateau":
        return lr.ReduceLROnPlateau(optimizer, factor=s["gamma"], patience=s["patience"],
                                    threshold=s["threshold"], eps=0.0), "loss"
    if kind == "one-cycle":
        return lr.OneCycleLR(optimizer, optimizer.param_groups[0]["lr"], total_steps=n_steps, pct_start=s["rise"],
                             div_factor=s["start_divisor"], final_div_factor=s["end_divisor"],
                             cycle_momentum=False), "step"
    if kind == "cosine":
        warmup = round(s["warmup"] * n_steps)
        floor = s["floor"] * optimizer.param_groups[0]["lr"]
        rest = lr.CosineAnnealingLR(optimizer, T_max=n_steps - warmup, eta_min=floor)
        if warmup == 0:
            return rest, "step"
        rise = lr.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
        return lr.SequentialLR(optimizer, [rise, rest], milestones=[warmup]), "step"
    assert kind == "constant"
    return None, None


def batches(c, data, epoch):
    """The rows of each batch of an epoch."""
    if c["order"] is not None:
        return c["order"][epoch % len(c["order"])]
    rows, size = philox.Sequence(c["seed"], philox.SHUFFLE, epoch).shuffled(data["train"]), c["batch_size"]
    cut = [rows[start : start + size] for start in range(0, len(rows), size)]
    if len(cut) > 1 and len(cut[-1]) == 1:
        cut[-2:] = [cut[-2] + cut[-1]]
    return cut


def train(c, river, data, dtype, turn=0):
    """What becomes of a run in float64 or float32; `turn` begins each batch with another row: only rounding changes."""
    net = River(river).to(dtype)
    if data["weights"] is None:
        net.draw(c["seed"])
    else:
        for name, values in data["weights"].items():
            net[name].data = torch.tensor(values, dtype=dtype).reshape(net[name].shape)
    x = torch.tensor(data["x"], dtype=dtype)
    targets = [torch.tensor(task["classes"]) if "classes" in task else torch.tensor(task["numbers"], dtype=dtype)
               for task in data["tasks"]]
    heads = [branch["head"] for branch in river["branches"] if "head" in branch]

    has = [np.array(task.get("has", [True] * len(x))) for task in data["tasks"]]

    def weighted(predictions, rows):
        """The loss of each task: a mean over the rows that have its target, 0 if there are none."""
        losses = []
        for head, prediction, target, has_target in zip(heads, predictions, targets, has):
            places = [i for i, row in enumerate(rows) if has_target[row]]
            of_rows = row_losses(head["loss"], prediction[places], target[rows][places])
            losses.append(head["weight"] * (of_rows.mean() if places else 0.0 * prediction.sum()))
        return losses

    optimizer = make_optimizer(net, c)
    base, n_batches = c["lr"], len(batches(c, data, 0))
    schedule, by = make_schedule(optimizer, c["schedule"], n_batches * c["epochs"])
    epochs, step, best = {"train": [], "validation": [], "lr_factor": [], "is_best": []}, 0, (math.inf, 0, None)
    for epoch in range(c["epochs"]):
        net.train()
        sums, n_rows = np.zeros(len(heads)), np.zeros(len(heads))
        for rows in batches(c, data, epoch):
            masks = {}
            for layer in net.layers("dropout"):
                width = net.width_of[layer["name"]]
                mask = philox.mask(c["seed"], layer["stream"], step, len(rows), width, layer["layer"]["dropout"]["p"])
                masks[layer["name"]] = torch.tensor(mask[turn:] + mask[:turn], dtype=dtype)
            rows = rows[turn:] + rows[:turn]
            optimizer.zero_grad()
            losses = weighted(net(x[rows], masks), rows)
            sum(losses).backward()
            n_with = np.array([has_target[rows].sum() for has_target in has])
            sums += n_with * np.array([loss.item() for loss in losses])
            n_rows += n_with
            if c["clip"] is not None:
                nn.utils.clip_grad_norm_(net.parameters(), c["clip"])
            lr = optimizer.param_groups[0]["lr"]
            optimizer.step()
            step += 1
            if by == "step" and step < n_batches * c["epochs"]:
                schedule.step()
        epochs["train"].append((sums / n_rows).tolist())
        watched = sum(epochs["train"][-1])
        finite = all(bool(v.isfinite().all()) for v in [*net.parameters(), *net.state().values()])
        if not (finite and math.isfinite(watched)):
            return {"diverged": [epoch + 1]}
        if data["validation"]:
            net.eval()
            with torch.no_grad():
                losses = [loss.item() for loss in weighted(net(x[data["validation"]]), data["validation"])]
            epochs["validation"].append(losses)
            watched = sum(losses)
        if by == "epoch":
            schedule.step()
        elif by == "loss":
            schedule.step(watched)
        epochs["lr_factor"].append(lr / base if base > 0 else 1.0)
        epochs["is_best"].append(int(watched < best[0]))
        if watched < best[0]:
            best = (watched, epoch + 1, copy.deepcopy(net.state_dict()))
        if c["patience"] > 0 and epoch + 1 - best[1] >= c["patience"]:
            break
    moments = {f"{moment}.{name}": flat(value) for name, array in net.named().items()
               for moment, value in optimizer.state[array].items() if moment != "step" and value is not None}
    if c["patience"] > 0:
        net.load_state_dict(best[2])
    net.eval()
    with torch.no_grad():
        predictions = [p.double().numpy() for p in net(x[data["test"]])]
    expect = {f"epochs.{name}": np.ravel(values).tolist() for name, values in epochs.items()}
    expect["best_epoch"] = [best[1]]
    expect |= {f"params.{name}": flat(value) for name, value in net.named().items()}
    expect |= {f"state.{name}": flat(value) for name, value in net.state().items()}
    expect |= moments
    in_test = [has_target[data["test"]] for has_target in has]
    judged = [metrics(head["loss"], p[some], t[data["test"]][some])
              for head, p, t, some in zip(heads, predictions, targets, in_test)]
    for name, of_tasks in {"test": judged, "baselines": baselines(data)}.items():
        expect |= {f"{name}.{task}": np.ravel(values).tolist() for task, values in enumerate(of_tasks)}
    return {name: values for name, values in expect.items() if values}


def flat(tensor):
    return tensor.detach().double().flatten().tolist()


def of_numbers(y, predicted):
    """RMSE, MAE and R² of a column."""
    error = predicted - y
    return [math.sqrt((error**2).mean()), abs(error).mean(), 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()]


def of_classes(y, predicted, log_p):
    """Accuracy, log-loss and macro-F1."""
    f1 = []
    for k in sorted({*y, *predicted}):
        hits, of_both = ((y == k) & (predicted == k)).sum(), (y == k).sum() + (predicted == k).sum()
        f1.append(2 * hits / of_both)
    return [(y == predicted).mean(), -log_p.mean(), float(np.mean(f1))]


def metrics(loss, prediction, target):
    """Of each column of a task."""
    target = target.numpy()
    if not isinstance(loss, str) and "cross_entropy" in loss:
        z = prediction - prediction.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        rows = np.arange(len(target))
        return [[float(v) for v in of_classes(target, z.argmax(1), log_p[rows, target])]]
    columns = zip(prediction.T, target.T)
    if loss == "binary_cross_entropy":
        def of_column(z, y):
            return of_classes((y > 0.5).astype(int), (z > 0).astype(int), -np.logaddexp(0, np.where(y > 0.5, -z, z)))
        return [[float(v) for v in of_column(z, y)] for z, y in columns]
    return [[float(v) for v in of_numbers(y, p)] for p, y in columns]


def baselines(data):
    """Of the training mean, which is 0 in standardised numbers, and of the training rows' frequencies."""
    out = []
    for task in data["tasks"]:
        has = task.get("has", [True] * len(data["x"]))
        train, test = ([row for row in data[part] if has[row]] for part in ["train", "test"])
        if "classes" in task:
            classes = np.array(task["classes"])
            counts = np.bincount(classes[train], minlength=task["n_classes"])
            log_p = np.log((counts + 1) / (len(train) + len(counts)))
            y = classes[test]
            out.append([[float(v) for v in of_classes(y, np.full(len(y), counts.argmax()), log_p[y])]])
        else:
            y = np.array(task["numbers"])[test]
            out.append([[float(v) for v in of_numbers(column, 0 * column)] for column in y.T])
    return out


def draw(c, river, seed):
    """Data and weights that are exact in both precisions."""
    rng = np.random.default_rng(seed)
    exact = lambda values, unit: (np.round(np.asarray(values) * unit) / unit).tolist()
    train, validation, test = c["rows"]
    rows = train + validation + test
    x = rng.normal(size=(rows, river["inputs"]))
    tasks = []
    for head in [branch["head"] for branch in river["branches"] if "head" in branch]:
        outputs = head["layer"]["layer"]["linear"]["outputs"]
        signal = x @ rng.normal(size=(river["inputs"], outputs)) + 0.5 * rng.normal(size=(rows, outputs))
        if not isinstance(head["loss"], str) and "cross_entropy" in head["loss"]:
            tasks.append({"classes": signal.argmax(1).tolist(), "n_classes": outputs})
        elif head["loss"] == "binary_cross_entropy":
            tasks.append({"numbers": (signal > 0).astype(float).tolist()})
        else:
            tasks.append({"numbers": exact(signal / signal.std(0), 8)})
    for task, share in zip(tasks, c["missing"]):
        task["has"] = (np.random.default_rng([seed, len(task)]).random(rows) >= share).tolist()
    split = rng.permutation(rows)
    data = {"x": exact(x, 8), "tasks": tasks, "weights": None}
    data["train"] = sorted(split[:train].tolist())
    data["validation"] = sorted(split[train : train + validation].tolist())
    data["test"] = sorted(split[train + validation :].tolist())
    if c["weights"] == "given":
        arrays = River(river).named()
        spread = lambda name, array: 0.5 / math.sqrt(array.shape[-1]) if array.dim() > 1 else 0.3
        one = {f"{layer['name']}.weight" for layer in River(river).layers("batch_norm")}
        data["weights"] = {
            name: exact((name in one) + spread(name, array) * rng.normal(size=array.numel()), 64)
            for name, array in arrays.items()
        }
        data["weights"] |= {name: [0.0] * arrays[name].numel() for name in c["zero"]}
    return data


def deviations(a, b):
    """How far a run is from another, by kinds of arrays, relative to their largest entries; None if it decides otherwise."""
    if a.keys() != b.keys() or any(a.get(name) != b.get(name) for name in ["epochs.is_best", "diverged"]):
        return None
    out = {}
    for name in a:
        p, q = np.array(a[name]), np.array(b[name])
        kind = name.split(".")[0]
        out[kind] = max(out.get(kind, 0.0), float(f"{abs(p - q).max() / (abs(q).max() or 1.0):.1e}"))
    return out


def make(name, changes, first_seed):
    c = DEFAULTS | changes
    river = c["river"](c)
    for seed in range(first_seed, first_seed + 50):
        c["seed"] = seed
        data = draw(c, river, seed)
        expect = train(c, river, data, F64)
        if not c["wanted"](expect, data):
            continue
        # Where rounding decides (a ReLU, a tie, an epoch), or a gradient that is 0 but for rounding makes full steps, no
        # other program comes near.
        runs = [(F64, 1, 1e-13), (torch.float32, 0, 5e-5), (torch.float32, 1, 5e-5)]
        off = [deviations(train(c, river, data, dtype, turn), expect) for dtype, turn, _ in runs]
        if any(by is None or max(by.values()) > limit for by, (_, _, limit) in zip(off, runs)):
            continue
        single = {kind: max(off[1][kind], off[2][kind]) for kind in off[1]}
        settings = ["epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay", "clip", "patience", "seed"]
        trace = {"format": "anabranch-trace-1", "oracle": f"torch {torch.__version__}", "river": river}
        trace["train"] = {key: c[key] for key in settings}
        trace["data"] = data
        if c["order"] is not None:
            trace["order"] = c["order"]
        trace |= {"expect": expect, "single": single}
        return trace
    raise SystemExit(f"{name}: no seed gives a run that can be compared")


def short(value):
    """Numbers with fourteen digits; whole ones without a point."""
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [short(item) for item in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.14g}")
    return value


def main():
    torch.set_default_dtype(F64)
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1, help="the first seed to try")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("names", nargs="*", default=list(CASES))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        trace = make(name, CASES[name], args.seed)
        lines = ",\n".join(f'"{key}":{json.dumps(short(value), separators=(",", ":"))}' for key, value in trace.items())
        path = args.out / f"{name}.json"
        path.write_text("{" + lines + "}\n")
        n = len(trace["expect"].get("epochs.is_best", []))
        print(f"{path.name}: seed {trace['train']['seed']}, {n} epochs, {path.stat().st_size} bytes, "
              f"float32 off by {max(trace['single'].values(), default=0.0):.0e}", flush=True)


if __name__ == "__main__":
    main()
