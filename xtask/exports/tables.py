"""Tables with everything that an encoder knows: made here, the same ones every time."""

import csv
import datetime
import random


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def gems(path, n_rows=600):
    """Like diamonds: numbers on all scales, ordered categories, a price with a long tail."""
    draw = random.Random(1)
    cuts, colours = ["Fair", "Good", "Ideal", "Premium", "Very Good"], "DEFGHIJ"
    rows = []
    for _ in range(n_rows):
        carat, cut, colour = draw.lognormvariate(-0.4, 0.6), draw.randrange(5), draw.choice(colours)
        # Ten in a thousand lie absurdly far away, so that the column is scaled robustly.
        depth = draw.gauss(62, 1.5) if draw.random() > 0.01 else draw.gauss(0, 1) * 1e5
        price = 4000 * carat**1.7 * (1 + 0.1 * cut) * draw.lognormvariate(0, 0.1)
        rows.append([f"{carat:.2f}", colour, f"{depth:.1f}", f"{price:.0f}", f"{10 * carat**0.4:.3f}", cuts[cut]])
    write(path, ["carat", "colour", "depth", "price", "size, mm", "cut"], rows)


def birds(path, n_rows=900):
    """Like penguins: missing cells of all kinds, dates, truth values, codes, rare categories."""
    draw = random.Random(2)
    start = datetime.datetime(2007, 11, 1)
    rows = []
    for i in range(n_rows):
        species = draw.choice(["Adelie", "Chinstrap", "Gentoo"])
        mass = {"Adelie": 3700, "Chinstrap": 3730, "Gentoo": 5076}[species] + draw.gauss(0, 300)
        at = start + datetime.timedelta(hours=draw.randrange(24 * 900))
        # Two islands are rare, and some that predictions meet training never saw.
        island = draw.choice(["Biscoe", "Dream", "Torgersen"] * 30 + ["Cormorant", "Humble"])
        sex = draw.choice(["male", "female", "", "NA"])
        # More nests than a network has inputs for, some birds each, of one species.
        nest = f"{species[0]}{draw.randrange(60)}" if draw.random() > 0.03 else ""
        rows.append([
            draw.choice([island, "", "n/a"]) if draw.random() < 0.1 else island,
            at.strftime("%Y-%m-%d %H:%M") if draw.random() > 0.05 else "",
            f"{mass / 80 + draw.gauss(0, 3):.1f}" if draw.random() > 0.1 else draw.choice(["", "NA", "-9999"]),
            draw.choice(["TRUE", "FALSE"]),
            draw.choice(["1", "2", "5"]),
            sex,
            nest,
            f"{mass:.0f}",
            f"{mass / 100 + draw.gauss(0, 2):.2f}",
            species,
        ])
    header = ["island", "seen at", "bill", "ringed", "study", "sex", "nest", "mass", "flipper", "species"]
    write(path, header, rows)


def unseen_birds(path):
    """Rows to predict that hold what training never saw."""
    header = ["island", "seen at", "bill", "ringed", "study", "sex", "nest"]
    write(path, header, [
        ["Atlantis", "1969-12-31 23:59", "1000", "true", "1.0", "Male", "A7"],
        ["", "", "", "", "", "", ""],
        ["NA", "2031-02-28", "-9999", "False", "7", "unknown", "Z99"],
        ["Humble", "2008-12-25 12:30", "44.5", "TRUE", "5", "female", "C3"],
        ["Biscoe", "2000-03-01", "0", "FALSE", "2", "male", "G11"],
        ["Dream", "2100-02-28 00:01", "40", "TRUE", "2", "male", ""],
    ])
