"""Tables of what was measured on a GPU."""

COLUMNS = ("tinygan", "eager", "torch", "graph", "compiled")
HEADER = (
    f"{'row':20}{'tinygan':>9}{'eager':>9} |{'torch':>9}{'graph':>8}{'compiled':>9} "
    f"|{'×torch':>7}{'×graph':>7}{'×comp.':>7} | {'ours and PyTorch’s best':24}|{'MB':>6}{'MB':>6}"
)


def best_peer(row, key="ms"):
    """PyTorch's best setting for a row in float32."""
    peers = {k: v for k, v in row["ms"].items() if k in COLUMNS[2:]}
    label = min(peers, key=peers.get) if peers else None
    return row.get(key, {}).get(label)


def print_rows(rows, header=True):
    if header:
        print(HEADER)
    for r in rows:
        ms = [f"{r['ms'][k]:.3f}" if k in r["ms"] else "" for k in COLUMNS]
        ratios = [f"{r['ratio'][k]:.2f}" if k in r["ratio"] else "" for k in COLUMNS[2:]]
        peaks = [r["peak_mb"].get("tinygan"), best_peer(r, "peak_mb")]
        print(
            "{:20}{:>9}{:>9} |{:>9}{:>8}{:>9} |{:>7}{:>7}{:>7}".format(r["name"], *ms, *ratios)
            + f" | {achieved(r):24}|{''.join(f'{p:6.0f}' if p else ' ' * 6 for p in peaks)}"
            + in_bf16(r)
            + remarks(r),
            flush=True,
        )


def in_bf16(row):
    """What both take in bfloat16, if it was measured."""
    ms = [row["ms"].get(k) for k in ("tinygan bf16", "bf16")]
    if not any(ms):
        return ""
    ours, theirs = (f"{x:.3f}" if x else "–" for x in ms)
    ratio = f", ×{row['ratio']['bf16']:.2f}" if "bf16" in row["ratio"] else ""
    return f"  in bf16 {ours} and {theirs}{ratio}"


def achieved(row):
    for key, unit in (("tflops", "TFLOP/s"), ("gb_s", "GB/s")):
        if key in row:
            ours, theirs = row[key].get("tinygan"), best_peer(row, key)
            return f"{ours or '–'} and {theirs or '–'} {unit}"
    return ""


def remarks(row):
    """What is wrong with a row, in a few words."""
    parts = [f"{what}: {text[:90]}" for what, text in row.get("failed", {}).items()]
    if (parity := row.get("parity")) and not parity["holds"]:
        parts.append(f"NOT THE SAME NUMBERS ({parity['worst']:.2g} > {parity['allowed']})")
    if row.get("not_captured"):
        parts.append(f"not captured: {row['not_captured'][:90]}")
    return f"  {'; '.join(parts)}" if parts else ""


def print_table(table):
    """Everything once more, short, as the last thing that is printed."""
    print(f"\n{described(table)}")
    print_rows(table["rows"])
    for text in table.get("notes", []):
        print(text[:200])


def described(table):
    m, v = table["machine"], table["versions"]
    if "card" not in m:
        return f"{m['date']}: card unknown"
    best = ", ".join(f"{name} {value:.0f}" for name, value in m["tflops"].items())
    versions = ", ".join(f"{name} {version}" for name, version in v.items())
    return (
        f"Measured on {m['date']}: {m['card']}, driver {m['driver']}, CUDA {m['cuda']}, Python "
        f"{m['python']}, {versions}. The card multiplies matrices of 8192² at {best} TFLOP/s and "
        f"copies {m['copy_tb_s']:.2f} TB/s (read and written), as PyTorch reaches them."
    )


def markdown(table):
    """The table for the README."""
    bf16 = any("tinygan bf16" in r["ms"] for r in table["rows"])
    lines = [
        f"{described(table)} TF32 is allowed in both engines. Ratios are PyTorch's time ÷ "
        "tinygan's captured step: above 1, tinygan is faster. A graph is PyTorch's whole step in "
        "one CUDA graph, compiled or not; memory formats are the faster ones for each row.",
        "",
        "| row | ms | eager ms | PyTorch eager | graph | compiled | × eager | × graph "
        "| × compiled | achieved, and PyTorch's best | MB | PyTorch's MB |"
        + (" in bfloat16, ms | PyTorch's graph | × |" if bf16 else ""),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|" + "---:|" * (3 * bf16),
    ]
    for r in table["rows"]:
        cells = [_cell(r["ms"].get(k), ".3f") for k in COLUMNS]
        cells += [_cell(r["ratio"].get(k), ".2f") for k in COLUMNS[2:]]
        cells += [achieved(r), _cell(r["peak_mb"].get("tinygan"), ".0f")]
        cells += [_cell(best_peer(r, "peak_mb"), ".0f")]
        if bf16:
            cells += [_cell(r["ms"].get(k), ".3f") for k in ("tinygan bf16", "bf16")]
            cells += [_cell(r["ratio"].get("bf16"), ".2f")]
        lines.append(f"| {r['name']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value, form):
    return "" if value is None else format(value, form)
