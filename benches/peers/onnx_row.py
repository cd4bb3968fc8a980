"""Times onnxruntime on one row of an exported model: prints {"median_us": ...}.

    python onnx_row.py MODEL.onnx SECONDS

Each column is an input; all hold 1.0. One thread; a call is `session.run` with the inputs at hand.
"""

import json
import statistics
import sys
import time

import numpy as np
import onnxruntime


def main():
    path, seconds = sys.argv[1], float(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {column.name: np.array([[1.0]]) for column in session.get_inputs()}
    for _ in range(200):
        session.run(None, inputs)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - start)
    print(json.dumps({"median_us": statistics.median(times) * 1e6, "version": onnxruntime.__version__}))


main()
