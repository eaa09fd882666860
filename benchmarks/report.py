"""Tables and charts of what was measured.

python -m benchmarks.report      writes the tables of benchmarks/results into the README, and the
                                 whole table of quality into quality.md beside its JSON
"""

import json
import statistics
from pathlib import Path

from .coverage import markdown_of
from .gpu.report import markdown as gpu_markdown

HOME = Path(__file__).parent.parent


def result_row(name, pairs, peer, setting, peaks=(None, None)):
    """A row of the table from pairs of seconds (tinygan's, the peer's), each of one turn."""
    ratios = sorted(b / a for a, b in pairs)
    quarter = len(ratios) // 4
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "spread": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
        "tinygan_ms": round(1e3 * statistics.median(a for a, _ in pairs), 4),
        "peer_ms": round(1e3 * statistics.median(b for _, b in pairs), 4),
        "peer": peer,
        "peer_setting": setting,
        "tinygan_peak_mb": peaks[0] and round(peaks[0], 1),
        "peer_peak_mb": peaks[1] and round(peaks[1], 1),
        "turns": len(pairs),
    }


def growth(rows):
    """Time per image over batch sizes: equal numbers mean that cost grows linearly."""
    each = {
        r["name"]: r["tinygan_ms"] / r["images"] for r in rows if r["name"].startswith("dcgan64")
    }
    parts = [f"{name} {ms:.2f}" for name, ms in each.items()]
    return f"ms per image: {', '.join(parts)}" if len(parts) > 1 else ""


COLUMNS = (
    f"{'row':22}{'ratio':>7}  {'spread':13}{'tinygan ms':>12}{'peer ms':>11}"
    f"{'peak MB':>9}{'peer':>7}  peer's setting"
)


def print_table(rows, header=True):
    if header:
        print(COLUMNS)
    for r in rows:
        spread = f"{r['spread'][0]:.2f}–{r['spread'][1]:.2f}"
        peaks = [f"{r[k]:.0f}" if r[k] else "" for k in ("tinygan_peak_mb", "peer_peak_mb")]
        print(
            f"{r['name']:22}{r['ratio']:7.2f}  "
            f"{spread:13}{r['tinygan_ms']:12.3f}{r['peer_ms']:11.3f}"
            f"{peaks[0]:>9}{peaks[1]:>7}  {r['peer_setting']}",
            flush=True,
        )


def markdown(table):
    """The table as Markdown, with where it comes from."""
    m, v = table["machine"], table["versions"]
    lines = [
        f"Measured on {m['date']}: {m['cpu']}, {m['threads']} threads, Python {m['python']}, "
        + ", ".join(f"{name} {version}" for name, version in v.items())
        + ". Ratio = the peer's time ÷ tinygan's: above 1, tinygan is faster.",
        "",
        "| row | ratio | spread | ms | eager ms | peer ms | peak MB | peer MB "
        "| peer, in its best setting |",
        "|---|---:|---|---:|---:|---:|---:|---:|---|",
    ]
    for r in table["rows"]:
        peaks = [f"{r[k]:.0f}" if r[k] else "" for k in ("tinygan_peak_mb", "peer_peak_mb")]
        lines.append(
            f"| {r['name']} | **{r['ratio']:.2f}** | {r['spread'][0]:.2f}–{r['spread'][1]:.2f} "
            f"| {r['tinygan_ms']:.3f} | {format(r['eager_ms'], '.3f') if 'eager_ms' in r else ''} "
            f"| {r['peer_ms']:.3f} | {peaks[0]} | {peaks[1]} | {r['peer']}: {r['peer_setting']} |"
        )
    return "\n".join(lines)


def quality_markdown(table):
    """A line for each figure: all seeds of the model, real data, and which controls it refuses."""
    lines = [
        _measured(table) + " Each cell has one value per seed. A twin or a fake fails a gate if it "
        "fails one of its figures; those that each figure refuses stand beside it, with the value "
        "that came nearest to the bar.",
        "",
        "| model | gate | figure | bar | ideal | model, by seed | refuses | s |",
        "|---|---|---|---:|---:|---|---|---:|",
    ]
    for (model, gate), figures in _gates(table).items():
        for metric, rows in figures.items():
            values = [f"{r['value']:.3g}" for r in rows]
            failed = "" if all(r["passed"] for r in rows) else " **failed**"
            seconds = statistics.median(r["seconds"] for r in rows)
            lines.append(
                f"| {model} | {gate} | {metric} | {rows[0]['threshold']:g} | {rows[0]['ideal']:.3g}"
                f" | {' · '.join(values)}{failed} | {_refused(rows)} | {seconds:.0f} |"
            )
    return "\n".join(lines)


COMPARED = {
    "of the class asked for": ("label-accuracy", "category-accuracy"),
    "diversity within classes": ("diversity",), "Fréchet share": ("frechet-share",),
}  # fmt: skip


def conditional_markdown(table):
    """The games with classes beside each other: what each gives, and what a step costs."""
    lines = [
        f"Digits of {table['size']} px, the same networks, {table['steps']:,} steps of "
        f"{table['batch']} digits; means over the seeds, and what a step costs on one thread of "
        f"{table['machine']['cpu']} (a GAN that is told nothing: {table['ms']['gan']:.1f} ms).",
        "",
        f"| model | seeds | {' | '.join(COMPARED)} | ms a step |",
        f"|---|---:|{'---:|' * len(COMPARED)}---:|",
    ]
    for model, ms in table["ms"].items():
        own = [r for r in table["rows"] if r["model"] == model]
        if own:
            cells = [_mean(own, metrics) for metrics in COMPARED.values()]
            seeds = len({r["seed"] for r in own})
            lines.append(f"| {model} | {seeds} | {' | '.join(cells)} | {ms:.1f} |")
    return "\n".join(lines)


def _mean(rows, metrics):
    return f"{statistics.mean(r['value'] for r in rows if r['metric'] in metrics):.3g}"


def _refused(rows):
    """The controls that fail a figure on every seed, each with its mildest fault's value."""
    parts = []
    for name in rows[0]["controls"]:
        mildest = min(rows, key=lambda r: r["control_faults"][name])
        if mildest["control_faults"][name] > 1:
            parts.append(f"{name} {mildest['controls'][name]:.2g}")
    return ", ".join(parts) or "none alone"


def quality_summary(table):
    """A line for each gate: the worst figure of the worst seed, and what came nearest to passing.

    Both are given as distances from the ideal in units of the bar's: up to 1 passes.
    """
    lines = [
        _measured(table) + " Distances are from the ideal, in units of the bar's: the worst of all "
        "figures and seeds must be at most 1, those of everything broken above it.",
        "",
        "| model | gate | figures | seeds | worst seed | nearest twin or fake |",
        "|---|---|---|---:|---|---|",
    ]
    for (model, gate), figures in _gates(table).items():
        rows = [row for own in figures.values() for row in own]
        worst = max(rows, key=lambda r: r["fault"])
        seeds = sorted({r["seed"] for r in rows})
        failed = "" if all(r["passed"] for r in rows) else " **failed**"
        lines.append(
            f"| {model} | {gate} | {', '.join(figures)} | {len(seeds)} "
            f"| {worst['fault']:.2f}: {worst['metric']} {worst['value']:.3g}{failed} "
            f"| {_nearest(rows)} |"
        )
    return "\n".join(lines)


def _nearest(rows):
    """Of all seeds' controls the one whose worst figure is the mildest."""
    worst = {}
    for r in rows:
        for name, fault in r["control_faults"].items():
            key = name, r["seed"]
            if key not in worst or fault > worst[key][0]:
                worst[key] = fault, f"{name}, {r['metric']} {r['controls'][name]:.3g}"
    fault, what = min(worst.values())
    return f"{fault:.2f}: {what}"


def _measured(table):
    m = table["machine"]
    threads = f"{m['threads']} thread{'s' * (m['threads'] != 1)}"
    return f"Last measured on {m['date']}: {m['cpu']}, {threads}."


def _gates(table):
    """(model, gate) → metric → rows, one for each seed."""
    gates = {}
    for r in table["rows"]:
        gates.setdefault((r["model"], r["gate"]), {}).setdefault(r["metric"], []).append(r)
    return gates


def plot(table, path):
    """Bars of the ratios, with the line that means equal."""
    from matplotlib.figure import Figure

    rows = [row for row in table["rows"][::-1] if row.get("kind") != "overhead"]
    figure = Figure(figsize=(8, 0.32 * len(rows) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    ratios = [r["ratio"] for r in rows]
    colours = ["#4c8c4a" if ratio >= 1 else "#c77b39" for ratio in ratios]
    axes.barh([r["name"] for r in rows], [r - 1 for r in ratios], left=1, color=colours)
    for i, r in enumerate(rows):
        (low, high), ratio = r["spread"], r["ratio"]
        axes.plot([low, high], [i, i], color="0.2", linewidth=1.2)
        at, side = (
            (max(high, ratio) * 1.03, "left") if ratio >= 1 else (min(low, ratio) / 1.03, "right")
        )
        axes.text(at, i, f"{ratio:.2f}", va="center", ha=side, fontsize=8)
    axes.axvline(1, color="0.3", linewidth=1)
    axes.set_xscale("log")
    ticks = [
        t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if min(ratios) / 2 < t < max(ratios) * 2
    ]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlim(min(ratios) / 1.6, max(ratios) * 1.4)
    axes.margins(y=0.01)
    axes.set_xlabel("peer's time ÷ tinygan's (right of the line, tinygan is faster)")
    axes.set_title(
        "{cpu}, {threads} threads, {date}".format(**table["machine"]),
        fontsize=9,
    )
    figure.savefig(path, dpi=110)


def update_readme(name, text):
    """Put `text` between the README's markers for `name`."""
    readme = HOME / "README.md"
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    before, _, rest = readme.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise SystemExit(f"README.md has no markers {begin} … {end}")
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    results = HOME / "benchmarks" / "results"
    for path in sorted(results.glob("speed-*.json")):
        table = json.loads(path.read_text())
        on_gpu = table["machine"]["device"] == "cuda"
        update_readme(path.stem, (gpu_markdown if on_gpu else markdown)(table))
    if (path := results / "quality.json").exists():
        table = json.loads(path.read_text())
        update_readme("quality", quality_summary(table))
        whole = f"{quality_markdown(table)}\n\n## Mode coverage\n\n{markdown_of(table)}"
        if (path := results / "quality-quick.json").exists():
            quick = json.loads(path.read_text())
            whole += f"\n\n## Short trainings, one seed\n\n{quality_markdown(quick)}"
        if (path := results / "conditional.json").exists():
            compared = conditional_markdown(json.loads(path.read_text()))
            update_readme("conditional", compared)
            whole += f"\n\n## Games with classes beside each other\n\n{compared}"
        (results / "quality.md").write_text(f"# Quality\n\n{whole}\n")
