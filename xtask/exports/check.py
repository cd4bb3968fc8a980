"""Checks exported models against `anabranch predict`, number by number.

    python check.py PROGRAM [--torch] [--model FILE] [TABLE FLAGS-OF-TRAIN]

PROGRAM is the program `anabranch`. Without a table, some are made. What `predict` writes holds the columns that a model
reads as well as its predictions, so each export is given those and has to predict the same. `--torch` checks the export
for PyTorch, which takes its packages (requirements-torch.txt), instead of the one for onnxruntime and tract.
"""

import csv
import datetime
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import tables

# f32 rounds to 6e-8, and networks add up some hundred products in an order of their own.
TOLERANCES = {"onnx": 1e-5, "pytorch": 1e-6}
ENDINGS = {"onnx": "onnx", "pytorch": "py"}

MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", ".", "?", "-9999", "-99"}

# Codes, which an ONNX graph is given as their prefixes.
PREFIXES = {"lot": 3}


def run(program, *args):
    done = subprocess.run([program, *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"anabranch {' '.join(args)}\n{done.stderr}")
    return done.stdout


def read(path):
    """The columns of a table."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    return {name.strip(): [row[i].strip() for row in rows] for i, name in enumerate(header)}


def number(text):
    """A cell as an export takes it: a number, a date in seconds, or NaN."""
    if text.lower() in MISSING:
        return np.nan
    try:
        return float(text)
    except ValueError:
        pass
    try:
        date = datetime.datetime.fromisoformat(text.replace("/", "-"))
        return date.replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:
        return np.nan


def predict_onnx(path, model, table):
    """What a graph predicts, by the names of `predict`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {}
    for column in session.get_inputs():
        cells = table[column.name]
        if column.type == "tensor(string)":
            cells = [cell[: PREFIXES.get(column.name)] for cell in cells]
            inputs[column.name] = np.array(cells, dtype=object).reshape(-1, 1)
        else:
            inputs[column.name] = np.array([number(cell) for cell in cells]).reshape(-1, 1)
    names = [output.name for output in session.get_outputs()]
    labels = session.get_modelmeta().custom_metadata_map
    predictions = {}
    for name, found in zip(names, session.run(None, inputs)):
        if name.endswith("_p"):
            of_labels = json.loads(labels[name[:-2] + "_labels"])
            predictions |= {f"{name}_{label}": p for label, p in zip(of_labels, found.T)}
        elif name.endswith("_set"):
            of_labels = json.loads(labels[name[:-4] + "_labels"])
            predictions[name] = [{label for label, is_in in zip(of_labels, row) if is_in} for row in found]
        else:
            predictions[name] = found[:, 0]
    return predictions


def predict_tract(path, model, table):
    """The same by tract. It has to load every graph, but its interface for Python has no text: from a graph that takes
    text there are no predictions, and a label is the most probable one."""
    import tract

    graph = tract.onnx().load(path)
    names = [graph.output_name(i) for i in range(graph.output_count())]
    inputs = {graph.input_name(i): str(graph.input_fact(i)) for i in range(graph.input_count())}
    loaded = graph.into_model()
    facts = [str(loaded.output_fact(i)).lower() for i in range(len(names))]
    runnable = loaded.into_runnable()
    if any("string" in fact for fact in inputs.values()):
        return {}
    columns = [np.array([number(cell) for cell in table[name]]).reshape(-1, 1) for name in inputs]
    predictions = {}
    for name, fact, found in zip(names, facts, runnable.run(columns)):
        if "string" in fact:
            continue
        found, of = found.to_numpy(), name.removesuffix("_p").removesuffix("_set")
        labels = [column.removeprefix(f"{of}_p_") for column in table if column.startswith(f"{of}_p_")]
        if name.endswith("_p"):
            predictions |= {f"{name}_{label}": p for label, p in zip(labels, found.T)}
            predictions[f"{of}_pred"] = [labels[i] for i in found.argmax(axis=1)]
        elif name.endswith("_set"):
            predictions[name] = [{label for label, is_in in zip(labels, row) if is_in} for row in found]
        else:
            predictions[name] = found[:, 0]
    return predictions


def predict_pytorch(path, model, table):
    spec = importlib.util.spec_from_file_location("exported", path)
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    cells = {
        column["name"]: table[column["name"]] if "categories" in column else map(number, table[column["name"]])
        for column in exported.COLUMNS
    }
    rows = [dict(zip(cells, row)) for row in zip(*cells.values())]
    predictions = exported.predict(exported.load(model), rows)
    return {name: np.asarray(values) for name, values in predictions.items()}


def difference(predictions, table):
    """The largest one from the predictions in `table`: of numbers in standard deviations, or as a part of the number."""
    worst = 0.0
    for name, found in predictions.items():
        if isinstance(found[0], set):
            sets = [set(next(csv.reader([cell], skipinitialspace=True))) for cell in table[name]]
            wrong = sum(a != b for a, b in zip(sets, found))
            # Labels at the very edge of a set, where probabilities are rounded otherwise.
            if wrong > 0.002 * len(sets):
                sys.exit(f"{name}: {wrong} sets of {len(sets)} are others")
            continue
        if isinstance(found[0], str):
            wrong = [i for i, label in enumerate(table[name]) if label != found[i]]
            if wrong:
                sys.exit(f"{name} of row {wrong[0]}: {found[wrong[0]]!r}, expected {table[name][wrong[0]]!r}")
            continue
        expected = np.array([float(cell) for cell in table[name]])
        # A deviation, and an end of an interval, is compared on the scale of what it is that of.
        of = name.removesuffix("_std").removesuffix("_lower").removesuffix("_upper")
        values = table.get(f"{of}_pred", table[name])
        if "_p_" in name or (of != name and isinstance(predictions[f"{of}_pred"][0], str)):
            unit = 1.0
        else:
            unit = np.maximum(np.abs(expected), np.std(np.array(values, dtype=float)))
        error = np.abs(found - expected) / np.where(unit > 0, unit, 1.0)
        if not np.all(np.isfinite(error)):
            sys.exit(f"{name}: not finite")
        worst = max(worst, error.max())
    return worst


def check(program, folder, kind, name, model, predicted):
    """Exports a model, and compares its predictions of a table."""
    out, exported = str(folder / f"{name}.csv"), str(folder / f"{name}-{kind}.{ENDINGS[kind]}")
    run(program, "predict", "--model", model, "--data", predicted, "--out", out, "--lenient")
    run(program, "export", kind, "--model", model, "--out", exported)
    table = read(out)
    predictions = {"onnx": predict_onnx, "pytorch": predict_pytorch}[kind](exported, model, table)
    kinds = ("_pred",) if kind == "pytorch" else ("_pred", "_std", "_lower", "_upper", "_set")
    missing = [column for column in table if column.endswith(kinds) and column not in predictions]
    if missing:
        sys.exit(f"{name}: {kind} does not predict {missing}")
    found = {kind: predictions}
    if kind == "onnx":
        found["tract"] = predict_tract(exported, model, table)
    for way, predictions in found.items():
        worst = difference(predictions, table)
        told = f"differs by {worst:.1e} in {len(table[next(iter(table))])} rows" if predictions else "is loaded"
        print(f"{name}: {way} {told}", flush=True)
        if not worst <= TOLERANCES[kind]:
            sys.exit(f"{name}: more than {TOLERANCES[kind]:.0e}")


def train(program, folder, name, flags):
    model = folder / name
    run(program, "train", "--epochs", "4", "--seed", "3", "--force", "--out", str(model), *flags)
    return str(model / "model.safetensors")


def main():
    program, *given = sys.argv[1:]
    program = str(pathlib.Path(program).resolve())
    kind = "pytorch" if "--torch" in given else "onnx"
    given = [flag for flag in given if flag != "--torch"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if given[:1] == ["--model"]:
            check(program, folder, kind, pathlib.Path(given[1]).stem, given[1], given[2])
            return
        if given:
            name = pathlib.Path(given[0]).stem
            check(program, folder, kind, name, train(program, folder, name, ["--data", *given]), given[0])
            return
        gems, birds, unseen = (str(folder / f"{name}-table.csv") for name in ("gems", "birds", "unseen"))
        tables.gems(gems)
        tables.birds(birds)
        tables.unseen_birds(unseen)
        covered = ["--coverage", "0.8"]
        log = [*covered, "--regress", "price", "--target-scale", "price=log1p", "--classify", "cut"]
        ranks = [*covered, "--regress", '"size, mm",price', "--target-scale", "price=rank-normal", "--classify", "cut"]
        seen = [*covered, "--missing", "+-9999", "--regress", "mass,flipper", "--classify", "species", "--classify", "sex"]
        for name, flags, table in [
            ("wine", [], "wine"),
            ("gems", ["--data", gems, *log, "--hidden", "24,12"], gems),
            ("gems-ranks", ["--data", gems, *ranks], gems),
            ("wine-ensemble", ["--ensemble", "3", "--watch", "each", *covered], "wine"),
            ("wine-alone", ["--ensemble", "1", "--watch", "sum"], "wine"),
            ("birds", ["--data", birds, *seen], birds),
            ("birds-unseen", ["--data", birds, *seen], unseen),
        ]:
            check(program, folder, kind, name, train(program, folder, name, flags), table)


if __name__ == "__main__":
    main()
