"""A CSV file into columns by pandas and polars, on one thread each.

    python read_csv.py FILE.csv

Prints one JSON object: for each reader its version, the seconds it takes (imports are not in them)
and the most memory that its process had in use, beyond that before the reading.
"""

import json
import os
import resource
import subprocess
import sys
import time

READERS = ["pandas", "polars"]


def read(name, path):
    if name == "pandas":
        import pandas

        version, reader = pandas.__version__, pandas.read_csv
    else:
        import polars

        version, reader = polars.__version__, polars.read_csv
    before = peak_bytes()
    begin = time.perf_counter()
    table = reader(path)
    seconds = time.perf_counter() - begin
    assert table.shape[1] == 30, table.shape
    return {"version": version, "seconds": seconds, "peak_bytes": peak_bytes() - before}


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    if sys.argv[1] in READERS:
        print(json.dumps(read(sys.argv[1], sys.argv[2])))
        return
    # A process for each: the peak of one is not the other's.
    environment = dict(os.environ, POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1")
    results = {}
    for name in READERS:
        command = [sys.executable, __file__, name, sys.argv[1]]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        results[name] = json.loads(output.stdout)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
