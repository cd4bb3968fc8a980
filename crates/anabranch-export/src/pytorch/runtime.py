def encode(rows):
    """What the network sees, [rows, inputs], of rows as dicts from column names to cells.

    A number is a float, a date is in seconds since 1970-01-01 00:00 UTC, a category is a str; None and NaN are missing.
    """
    return torch.tensor([[x for column in COLUMNS for x in encode_cell(column, row.get(column["name"]))] for row in rows])


def encode_cell(column, cell):
    if isinstance(cell, float) and math.isnan(cell):
        cell = None
    kind = column["kind"]
    if kind in ("categorical", "target_statistics"):
        encoded = encode_category if kind == "categorical" else encode_by_targets
        return encoded(column, place_of(column, "" if cell is None else str(cell).strip()))
    if kind == "date":
        values = encode_date(column, cell)
    else:
        if cell in column["missing_numbers"]:
            cell = None
        known = column["median"] if cell is None else cell
        if kind == "numeric":
            least, most = column["believed_range"] or (known, known)
            values = [(min(max(known, least), most) - column["mean"]) / column["std"]]
        else:
            z = (known - column["median"]) / column["spread"]
            values = [z / math.sqrt(1 + (z / 3) ** 2)]
        if "knots" in column:
            values.append(normal_score(column["knots"], known))
    values += [float(cell is None)] * (column["missing"] == "present")
    return values + encode_name(column["names"], cell) if "names" in column else values


def encode_name(names, number):
    """What a number names."""
    numbers = names["numbers"]
    place = None if number is None else numbers.index(number) if number in numbers else len(numbers)
    return (encode_category if names["kind"] == "categorical" else encode_by_targets)(names, place)


def normal_score(knots, v):
    """The score of a number, linear between the points (number, score)."""
    if v <= knots[0][0]:
        return knots[0][1]
    for (v0, s0), (v1, s1) in zip(knots, knots[1:]):
        if v < v1:
            return s0 + (s1 - s0) * ((v - v0) / (v1 - v0))
    return knots[-1][1]


def encode_date(column, seconds):
    days = column["median"] if seconds is None else seconds / 86400
    values = [(days - column["mean"]) / column["std"]]
    for cycle in column["cycles"]:
        if seconds is None:
            values += [0.0, 0.0]
            continue
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        place = {"month": (at.month - 1) / 12, "weekday": at.weekday() / 7, "hour": seconds % 86400 / 86400}[cycle]
        values += [math.sin(2 * math.pi * place), math.cos(2 * math.pi * place)]
    return values


def place_of(column, text):
    """The place of a text among the categories, their number if it is none of them, or None if it is missing."""
    categories, labels = column["categories"], column.get("labels", "text")
    if text == "" or text.lower() in (marker.lower() for marker in column["missing_markers"]):
        return None
    if text in categories:
        return categories.index(text)
    same = [label_key(labels, category) == label_key(labels, text) for category in categories]
    return same.index(True) if any(same) else len(categories)


def encode_category(column, place):
    n = len(column["categories"])
    has_other, has_missing = (column.get(key) == "present" for key in ("other", "missing"))
    values = [0.0] * (n + has_other + has_missing)
    if place is None and has_missing:
        values[-1] = 1.0
    elif place is not None and (place < n or has_other):
        values[place] = 1.0
    return values


def encode_by_targets(column, place):
    """What the targets were in the category's training rows; for none of them, what the last row of the table says."""
    n, of = len(column["categories"]), len(column["statistics"]["of"])
    row = n if place is None else place
    values = column["statistics"]["values"][row * of : (row + 1) * of]
    return values + [float(place is None)] * (column["missing"] == "present")


def label_key(labels, text):
    if labels == "numbers":
        try:
            return float(text)
        except ValueError:
            return text
    if labels == "booleans":
        return text.lower()
    return text if labels == "text" else text[: labels["prefix"]]


def in_units(column, output):
    """Numbers in their unit, of a column of a head's output."""
    u = output.double() * column["std"] + column["mean"]
    scale = column["scale"]
    if scale == "log1p":
        u = torch.sign(u) * torch.expm1(torch.abs(u))
    elif isinstance(scale, dict):
        v, z = torch.tensor(scale["rank-normal"]["knots"], dtype=torch.float64).T.contiguous()
        after = torch.searchsorted(z, u.contiguous(), right=True).clamp(1, len(z) - 1)
        slope = (v[after] - v[after - 1]) / (z[after] - z[after - 1])
        u = v[after - 1] + (u - z[after - 1]) * slope
    return u if column["bounds"] is None else u.clamp(*column["bounds"])


def blended(heads, line, share, meaning):
    """The mean of what the networks' outputs mean, and beside it the linear model, with its share."""
    mean = sum(meaning(head) for head in heads) / len(heads)
    return mean if line is None else (1 - share) * mean + share * meaning(line)


def predict(model, rows):
    """The columns that `anabranch predict` writes, by their names."""
    networks, lines = model
    x, predictions = encode(rows), {}
    shares = {task: share for task, _, share in LINES}
    with torch.no_grad():
        outputs = [network.eval()(x) for network in networks]
        lines = {task: line(x) for task, line in lines.items()}
    for place, (task, by) in enumerate(zip(TASKS, PREDICTED_BY)):
        heads = [outputs[network][place] for network in by]
        line, share = lines.get(place), shares.get(place)
        for i, column in enumerate(task.get("columns", [])):
            value = blended(heads, line, share, lambda head: in_units(column, head[:, i]))
            predictions[column["column"] + "_pred"] = value
        if "labels" in task:
            p = blended(heads, line, share, lambda head: torch.softmax(head, dim=1))
            scores = heads[0] if len(heads) == 1 and line is None else p
            predictions[task["column"] + "_pred"] = [task["labels"][i] for i in scores.argmax(dim=1)]
            if "temperature" in task:
                p = torch.softmax(torch.log(p) / task["temperature"], dim=1)
            for i, label in enumerate(task["labels"]):
                predictions[f"{task['column']}_p_{label}"] = p[:, i]
    return predictions
