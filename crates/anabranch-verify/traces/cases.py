"""What the traces are of: every optimizer, schedule, join and loss, clipping, groups of decay, dropout, early stopping."""


def linear(outputs, init="kaiming_uniform"):
    return {"linear": {"outputs": outputs, "init": init}}


def named(name, stream, layer):
    return {"name": name, "stream": stream, "layer": layer}


def head(name, stream, outputs, loss, weight):
    return {"layer": named(name, stream, linear(outputs, "xavier_uniform")), "loss": loss, "weight": weight}


def two_branch(c):
    """The network of the derivation."""
    norm = {"eps": c["bn_eps"], "momentum": c["bn_momentum"], "affine": c["affine"], "running": c["running"]}
    outputs = {"add": c["hidden_b"], "broadcast": 1, "project": 2}[c["join"]]
    activation = {"activation": c["activation"]}
    a = [named("fc1a", 1, linear(c["hidden_a"])), named("relu1a", 2, activation)]
    a += [named("dp1a", 3, {"dropout": {"p": c["dropout"]}})]
    b = [named("fc1b", 5, linear(c["hidden_b"])), named("relu1b", 6, activation), named("bn1b", 7, {"batch_norm": norm})]
    join = {"name": "join", "stream": 8, "from": "a", "join": c["join"]}
    return {
        "inputs": c["inputs"],
        "branches": [
            {"name": "a", "layers": a, "joins": [], "head": head("fc2a", 4, outputs, c["loss_a"], c["weight_a"])},
            {"name": "b", "layers": b, "joins": [join], "head": head("fc2b", 9, c["classes"], c["loss_b"], c["weight_b"])},
        ],
    }


def trunk(c):
    """A trunk that three tasks read, two dropouts, two norms, and joins of each kind."""
    norm = {"batch_norm": {"eps": 1e-3, "momentum": 0.2, "affine": "per_unit", "running": "unbiased"}}
    drop = {"dropout": {"p": 0.3}}

    def block(name, stream, outputs, activation, *layers):
        block = [linear(outputs), {"activation": activation}, *layers]
        suffix = ["", ".act", ".bn" if norm in layers else ".dropout"]
        return [named(name + suffix[i], stream + i, layer) for i, layer in enumerate(block)]

    def join(name, stream, branch, kind):
        return {"name": name, "stream": stream, "from": branch, "join": kind}

    entropy = {"cross_entropy": {"label_smoothing": 0.1, "class_weights": [1.0, 0.5, 2.0]}}
    return {
        "inputs": c["inputs"],
        "branches": [
            {"name": "trunk", "layers": block("t", 1, 5, "tanh", drop), "joins": []},
            {"name": "one", "from": "trunk", "layers": block("o", 4, 4, "identity", drop), "joins": [],
             "head": head("o.head", 7, 2, {"huber": {"delta": 0.8}}, 1.5)},
            {"name": "two", "layers": block("u", 8, 3, "silu", norm), "joins": [join("u.join", 11, "one", "project")],
             "head": head("u.head", 12, 3, entropy, 0.7)},
            {"name": "three", "from": "trunk", "layers": block("v", 13, 2, "relu", norm),
             "joins": [join("v.one", 16, "one", "add"), join("v.two", 17, "two", "project")],
             "head": head("v.head", 18, 2, "binary_cross_entropy", 1.2)},
        ],
    }


DEFAULTS = dict(
    river=two_branch, inputs=3, hidden_a=5, hidden_b=3, classes=3, dropout=0.25, join="broadcast", activation="relu",
    bn_eps=1e-5, bn_momentum=0.1, affine="per_unit", running="unbiased", loss_a="half_squared_error",
    loss_b={"cross_entropy": {}}, weight_a=0.75, weight_b=1.5,
    epochs=25, batch_size=8, optimizer="sgd", lr=0.05, schedule={"constant": None}, weight_decay=0.02, clip=None, patience=0,
    rows=(32, 8, 8), weights="given", zero=[], order=None, missing=[], wanted=lambda expect, data: True,
)


def ended_early(expect, data):
    return 3 < expect["best_epoch"][0] < len(expect["epochs.is_best"]) < 40


def ran_out(expect, data):
    return len(expect["epochs.is_best"]) == 12 > expect["best_epoch"][0]


def reductions(n):
    return lambda expect, data: len(set(expect["epochs.lr_factor"])) > n


def seen_in_all_parts(expect, data):
    """Few rows have a class, but some in each part; of the batches of eight, one in six has none."""
    has = data["tasks"][1]["has"]
    return all(sum(has[row] for row in data[part]) > 2 for part in ["train", "validation", "test"])


def tied(expect, data):
    """Two classes have the most training rows, and test rows tell them apart."""
    classes = data["tasks"][1]["classes"]
    train, test = ([sum(classes[row] == k for row in data[part]) for k in range(3)] for part in ["train", "test"])
    first, *others = [k for k in range(3) if train[k] == max(train)]
    return bool(others) and test[first] != test[others[-1]]


CASES = {
    # Each optimizer, with decay of the weights alone.
    "sgd": {},
    "momentum": dict(optimizer="momentum", lr=0.02, join="project"),
    "nesterov": dict(optimizer="nesterov", lr=0.02, join="add"),
    "adam": dict(optimizer="adam", lr=0.01),
    "adamw": dict(optimizer="adamw", lr=0.01, weight_decay=0.2, join="project"),
    "rmsprop": dict(optimizer="rmsprop", lr=0.005, join="add"),
    "adagrad": dict(optimizer="adagrad", lr=0.05),
    "lion": dict(optimizer="lion", lr=0.01, weight_decay=0.1),
    # Each schedule; the last two go on by what the epochs' losses do.
    "step": dict(schedule={"step": {"every_epochs": 4, "gamma": 0.5}}, lr=0.1),
    "exponential": dict(schedule={"exponential": {"gamma": 0.9}}, optimizer="momentum"),
    "cosine": dict(schedule={"cosine": {"warmup": 0.2, "floor": 0.1}}, optimizer="adam", join="add"),
    "cosine_defaults": dict(schedule={"cosine": {"warmup": 0.05, "floor": 0.0}}, optimizer="adam", lr=0.01, weights="drawn",
                            dropout=0.05),
    "one_cycle": dict(schedule={"one-cycle": {"rise": 0.3, "start_divisor": 25.0, "end_divisor": 1e4}}, lr=0.2),
    "plateau": dict(schedule={"plateau": {"gamma": 0.5, "patience": 1, "threshold": 0.05}}, lr=0.2, wanted=reductions(3)),
    "plateau_of_training": dict(schedule={"plateau": {"gamma": 0.3, "patience": 0, "threshold": 0.01}}, lr=0.004,
                                weight_a=30.0, weight_b=60.0, rows=(40, 0, 8), wanted=reductions(3)),
    # Clipping of most steps, before decay.
    "clip": dict(clip=0.3, lr=0.1),
    "clip_adam": dict(clip=0.5, optimizer="adam", schedule={"cosine": {"warmup": 0.0, "floor": 0.0}}, join="project"),
    # Early stopping, and the best weights when the epochs run out.
    "early_stopping": dict(patience=4, epochs=40, optimizer="adam", lr=0.1, wanted=ended_early),
    "epochs_run_out": dict(patience=9, epochs=12, lr=0.3, wanted=ran_out),
    # Losses, and batch norm of other conventions.
    "absolute_error": dict(loss_a="absolute_error", lr=0.02),
    "huber": dict(loss_a={"huber": {"delta": 0.5}}, activation="silu", affine="shared", running="biased"),
    "pinball": dict(loss_a={"pinball": {"quantile": 0.8}}, activation="gelu", bn_momentum=0.3, bn_eps=0.1, lr=0.02),
    "smoothed_classes": dict(loss_b={"cross_entropy": {"label_smoothing": 0.1, "class_weights": [0.5, 2.0, 1.0]}},
                             activation="tanh", join="project"),
    "trunk": dict(river=trunk, optimizer="adam", lr=0.01, clip=2.0, weights="drawn", rows=(32, 8, 40)),
    # Dropout: nearly everything, columns that share no groups, and those of two groups.
    "heavy_dropout": dict(dropout=0.9, hidden_a=11, epochs=20),
    "wide_dropout": dict(dropout=0.5, hidden_a=70, inputs=2, epochs=12, weights="drawn", classes=2),
    "wider_dropout": dict(dropout=0.5, hidden_a=131, inputs=1, epochs=8, weights="drawn", classes=2),
    # Rows: a last batch of one row, which joins the one before; batches of one's own.
    "last_row": dict(rows=(25, 6, 7), batch_size=6, epochs=20, bn_eps=0.1),
    "own_order": dict(order=[[[3, 1, 7], [2, 9, 0, 5, 11], [4, 8]], [[10, 11, 2, 0], [5, 6], [1, 9, 3, 12]]], epochs=20,
                      bn_eps=0.1, optimizer="momentum", lr=0.01),
    # Rows without the target of one task or the other, or of both; some batches have none of a task.
    "missing_targets": dict(missing=[0.3, 0.8], rows=(50, 12, 20), optimizer="adam", lr=0.01, join="project", patience=9,
                            wanted=seen_in_all_parts),
    # Equal scores and equal counts: the first class is taken.
    "ties": dict(rows=(30, 6, 9), epochs=2, lr=0.0, zero=["fc2b.weight", "fc2b.bias"], wanted=tied),
    "diverged": dict(lr=1e30, epochs=3, wanted=lambda expect, data: "diverged" in expect),
}
