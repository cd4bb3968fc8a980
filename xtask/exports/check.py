"""Checks exported models against `anabranch predict`, number by number.

    python check.py PROGRAM [--torch] [TABLE FLAGS-OF-TRAIN]

PROGRAM is the program `anabranch`. Without a table, three are made. What `predict` writes holds the columns that a model
reads as well as its predictions, so each export is given those and has to predict the same.
"""

import csv
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

import tables

# f32 rounds to 6e-8, and networks add up some hundred products in an order of their own.
TOLERANCE = 1e-5
TORCH_TOLERANCE = 1e-6

MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", ".", "?", "-9999"}


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
        return datetime.datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:
        return np.nan


def deviation(values):
    found = np.nanstd(values)
    return found if found > 0 else 1.0


def check_onnx(path, table):
    """The largest difference from the predictions in `table`, of numbers in standard deviations."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {}
    for column in session.get_inputs():
        cells = table[column.name]
        if column.type == "tensor(string)":
            inputs[column.name] = np.array(cells, dtype=object).reshape(-1, 1)
        else:
            inputs[column.name] = np.array([number(cell) for cell in cells]).reshape(-1, 1)
    names = [output.name for output in session.get_outputs()]
    labels = session.get_modelmeta().custom_metadata_map
    worst = 0.0
    for name, found in zip(names, session.run(None, inputs)):
        if name.endswith("_p"):
            for label, found in zip(json.loads(labels[name[:-2] + "_labels"]), found.T):
                expected = np.array([float(cell) for cell in table[f"{name}_{label}"]])
                worst = max(worst, np.abs(found - expected).max())
        elif found.dtype == object:
            wrong = [i for i, label in enumerate(table[name]) if label != found[i, 0]]
            if wrong:
                sys.exit(f"{path}: {name} of row {wrong[0]}: {found[wrong[0], 0]!r}, expected {table[name][wrong[0]]!r}")
        else:
            expected = np.array([float(cell) for cell in table[name]])
            difference = np.abs(found[:, 0] - expected) / np.maximum(np.abs(expected), deviation(expected))
            worst = max(worst, difference.max())
    return worst


def check(program, folder, name, flags, predicted):
    """Trains on a table, exports, and compares on another one."""
    model, out = str(folder / name), str(folder / f"{name}.csv")
    run(program, "train", "--epochs", "4", "--seed", "3", "--force", "--out", model, *flags)
    run(program, "predict", "--model", model, "--data", predicted, "--out", out, "--lenient")
    onnx = str(folder / f"{name}.onnx")
    run(program, "export", "onnx", "--model", model, "--out", onnx)
    table = read(out)
    worst = check_onnx(onnx, table)
    print(f"{name}: onnxruntime {onnxruntime.__version__} differs by {worst:.1e} in {len(table[next(iter(table))])} rows")
    if not worst <= TOLERANCE:
        sys.exit(f"{name}: more than {TOLERANCE:.0e}")


def main():
    program, *given = sys.argv[1:]
    program = str(pathlib.Path(program).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if given:
            check(program, folder, pathlib.Path(given[0]).stem, ["--data", *given], given[0])
            return
        gems, birds, unseen = (str(folder / f"{name}-table.csv") for name in ("gems", "birds", "unseen"))
        tables.gems(gems)
        tables.birds(birds)
        tables.unseen_birds(unseen)
        log = ["--regress", "price", "--target-scale", "price=log1p", "--classify", "cut"]
        ranks = ['"size, mm",price', "--target-scale", "price=rank-normal"]
        seen = ["--missing", "+-9999", "--regress", "mass,flipper", "--classify", "species", "--classify", "sex"]
        for name, flags, table in [
            ("wine", [], "wine"),
            ("gems", ["--data", gems, *log], gems),
            ("gems-ranks", ["--data", gems, "--classify", "cut", "--regress", *ranks], gems),
            ("birds", ["--data", birds, *seen], birds),
            ("birds-unseen", ["--data", birds, *seen], unseen),
        ]:
            check(program, folder, name, flags, table)


if __name__ == "__main__":
    main()
