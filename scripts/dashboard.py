#!/usr/bin/env python3
"""Draws the dashboard deploy/grafana/frameway.json without Grafana: asks a running Prometheus for
every query, and draws all panels into one picture.

    prometheus --config.file deploy/prometheus/prometheus.yml &
    scripts/dashboard.py --minutes 10 --output dashboard.png

It needs matplotlib (`pip install matplotlib`). It prints the queries that have no data, and fails
if Prometheus refuses one.
"""

import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen before)

DASHBOARD = Path(__file__).parent.parent / "deploy/grafana/frameway.json"
COLUMNS = 24  # of Grafana's grid
ROW_INCHES = 0.36
WIDTH_INCHES = 26


def ask(url: str, query: str, start: float, end: float, step: float) -> list:
    """Returns the series of a query over a range of time."""
    parameters = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{parameters}", timeout=20) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{query}: {json.load(error)['error']}")


def legend(template: str, labels: dict) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), template)


def draw(panel: dict, axes, series: list) -> None:
    axes.set_title(panel["title"], fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    if panel["type"] == "stat":
        axes.axis("off")
        values = [points[-1][1] for _, points in series if points]
        text = f"{float(values[0]):.4g}" if values else "no data"
        axes.text(0.5, 0.4, text, ha="center", va="center", fontsize=20)
        return
    if not series:
        axes.text(0.5, 0.5, "no data", ha="center", va="center", color="grey", transform=axes.transAxes)
    for name, points in series:
        axes.plot([point[0] for point in points], [float(point[1]) for point in points], label=name, lw=1)
    axes.set_ylim(bottom=0)
    axes.set_xticks([])
    axes.grid(alpha=0.3)
    if series:
        axes.legend(fontsize=5, loc="upper left", ncols=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", help="URL of a running Prometheus")
    parser.add_argument("--minutes", type=float, default=10, help="time to draw, up to now")
    parser.add_argument("--rate-interval", default="1m", help="interval of rates: four scrape intervals")
    parser.add_argument("--output", default="dashboard.png", help="file to write")
    arguments = parser.parse_args()
    end = time.time()
    start = end - 60 * arguments.minutes
    panels = json.loads(DASHBOARD.read_text())["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(WIDTH_INCHES, height * ROW_INCHES))
    silent = []
    for panel in panels:
        place = panel["gridPos"]
        left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        bottom, tall = 1 - (place["y"] + place["h"]) / height, place["h"] / height
        if panel["type"] == "row":
            figure.text(0.005, bottom + tall / 3, panel["title"], fontsize=12, weight="bold")
            continue
        axes = figure.add_axes((left + 0.02 * width + 0.008, bottom + 0.12 * tall, 0.88 * width, 0.7 * tall))
        series = []
        for target in panel["targets"]:
            query = target["expr"].replace("$instance", ".*")
            query = query.replace("$__rate_interval", arguments.rate_interval)
            found = ask(arguments.prometheus, query, start, end, max(1, (end - start) / 200))
            if not found:
                silent.append(f"{panel['title']}: {query}")
            series += [(legend(target["legendFormat"], one["metric"]), one["values"]) for one in found]
        draw(panel, axes, series)
    figure.savefig(arguments.output, dpi=70)
    print(f"{arguments.output}: {len(panels)} panels")
    for one in silent:
        print(f"no data: {one}")


if __name__ == "__main__":
    main()
