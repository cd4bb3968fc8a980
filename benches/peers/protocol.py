"""How a peer is started and told what to do: see README.md."""

import argparse
import json
import os
import statistics
import sys
import time

from workload import Shape

WARM_UP_STEPS = 5
MIN_STEPS = 5


def arguments(**modes):
    """The command line. `modes` adds options of one peer: name=(choices, ...)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True, type=shape, metavar="R,I,H,O,C")
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--optimizer", required=True, choices=["sgd", "adam"])
    for name, choices in modes.items():
        parser.add_argument(f"--{name}", required=True, choices=choices)
    return parser.parse_args()


def shape(text):
    return Shape(*(int(part) for part in text.split(",")))


def use_cores(threads):
    """Keeps the process on its first `threads` cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(name, version, make_step):
    """Answers the benchmark until it says `quit` or closes the pipe.

    `make_step(dropout)` sets up a network in its initial state and returns a function that runs
    one whole training step and, when it returns, has finished; its result is the loss, which
    `float` may read later.
    """
    step = make_step("on")
    for _ in range(WARM_UP_STEPS):
        step()
    say("ready ", peer=name, version=version)
    for line in sys.stdin:
        match line.split():
            case ["run", seconds]:
                say(**run(step, float(seconds)))
            case ["check", steps]:
                checked = make_step("off")
                say(losses=[float(checked()) for _ in range(int(steps))])
            case ["quit"]:
                return
            case _:
                sys.exit(f"expected `run SECONDS`, `check STEPS` or `quit`, got {line!r}")


def run(step, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < MIN_STEPS or time.perf_counter() < end:
        start = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - start)
    return dict(median_us=statistics.median(times) * 1e6, steps=len(times), loss=float(loss))


def say(prefix="", **fields):
    print(prefix + json.dumps(fields), flush=True)
