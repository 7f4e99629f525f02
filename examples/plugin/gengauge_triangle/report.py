"""Which model came first, for each data set and metric."""

import pandas as pd


def render(stores):
    """Return the report as bytes; controls do not compete."""
    controls = {
        record["model"]["id"]
        for store in stores
        for record in store.records()
        if record["model"]["control"]
    }
    frame = pd.concat([store.frame() for store in stores])
    frame = frame[frame["value"].notna() & ~frame["model"].isin(controls)]
    lines = []
    for (dataset, metric), rows in frame.groupby(["dataset", "metric"]):
        means = rows.groupby("model")["value"].mean()
        higher = rows["direction"].iloc[0] == "higher"
        best = means.idxmax() if higher else means.idxmin()
        lines.append(f"{dataset}  {metric}  {best}  {means[best]:.3g}")
    return ("\n".join(lines) + "\n").encode()
