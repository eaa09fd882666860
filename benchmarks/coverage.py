"""Mode coverage: published figures, as their papers give them, and ours with their budgets."""

from .quality.points import PLAYS

# paper, system, modes of the ring's 8, modes of the grid's 25
PUBLISHED = [
    ("PacGAN (Lin et al., 2018)", "GAN", "6.3 ± .5", "17.3 ± .8"),
    ("PacGAN (Lin et al., 2018)", "ALI", "6.6", "24.1"),
    ("PacGAN (Lin et al., 2018)", "PacGAN2 · PacGAN4", "7.9 ± .1", "24.8 ± .2"),
    ("VEEGAN (Srivastava et al., 2017)", "GAN", "1", "3.3"),
    ("VEEGAN (Srivastava et al., 2017)", "Unrolled GAN", "7.6", "23.6"),
    ("VEEGAN (Srivastava et al., 2017)", "VEEGAN", "8", "24.6"),
]
BUDGETS = {
    "PacGAN (Lin et al., 2018)": "400 epochs of 100,000 points, batches of 100",
    "VEEGAN (Srivastava et al., 2017)": "as its paper says",
}


def markdown_of(table) -> str:
    """A line for each published row, and for each play of ours that was measured."""
    lines = [
        "Published figures are means as the papers give them, at their own budgets; ours are "
        "those of each seed, beside the share of samples within 3σ of a mode.",
        "",
        "| from | system | ring, of 8 | grid, of 25 | good samples | budget |",
        "|---|---|---|---|---|---|",
    ]
    for paper, system, ring, grid in PUBLISHED:
        lines.append(f"| {paper} | {system} | {ring} | {grid} | | {BUDGETS[paper]} |")
    rows = table["rows"]
    for model, plays in PLAYS.items():
        for name, play in plays.items():
            values = lambda metric, m=model, n=name: [
                f"{r['value']:g}" for r in rows if (r["model"], r["metric"]) == (m, f"{n}-{metric}")
            ]
            modes, share = (" · ".join(values(metric)) for metric in ("modes", "share"))
            if modes:
                ring, grid = (modes if name == each else "" for each in ("ring", "grid"))
                budget = f"{play.steps:,} steps of D, batches of {play.batch}"
                who = f"{model}: {play.system.key}" if model != play.system.key else model
                lines.append(f"| here | {who} | {ring} | {grid} | {share} | {budget} |")
    return "\n".join(lines)
