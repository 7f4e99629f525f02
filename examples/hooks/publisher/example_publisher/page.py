"""One page with the best score on each data set and metric."""

import html
import json


def publish(stores, folder, title="Scores"):
    """Write ``index.html`` and ``records.json`` into ``folder``; return the page."""
    records = [record for store in stores for record in store.records()]
    (folder / "records.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    best = {}
    for record in records:
        for score in record["scores"]:
            if score["value"] is None or record["model"]["control"]:
                continue
            key = record["dataset"]["id"], score["metric"]
            sign = -1 if score["direction"] == "higher" else 1
            found = sign * score["value"], record["model"]["id"]
            best[key] = min(best.get(key, found), found)
    rows = [(*key, model, f"{abs(value):.4g}") for key, (value, model) in sorted(best.items())]
    # a record is a stranger's: all of it is text on the page
    cells = ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    title = html.escape(title)
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><table>{body}</table></html>",
        encoding="utf-8",
    )
    return page
