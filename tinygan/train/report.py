"""report.html: a run on one page, which opens from the disk and needs nothing else.

The pictures are in it; there is no script and no link to the network.
"""

import base64
import html
from pathlib import Path

from ..io import write_atomically
from .folder import RunFolder
from .log import records

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #20242c; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } figure { margin: 0 0 1rem; } .pair { display: flex; gap: 1rem;
      flex-wrap: wrap; } figcaption, .quiet { color: #667; font-size: .9rem; }
""".strip()


def write(
    folder: RunFolder, title: str, config: dict, scores: list, facts: list[str], figures=()
) -> None:
    """The page of a run: last samples beside real pictures and the film, further `figures` (caption
    → file), curves; then the scores, the doctor's words, settings."""
    log, further = records(folder.metrics), dict(figures)
    first = {caption: path for caption, path in further.items() if path.stem == "real"}
    samples = [("the last samples", path) for _, path in folder.pictures()[-1:]]
    films = [("the training", folder.gif)] if folder.gif.exists() else []
    pair = [*samples, *first.items(), *films]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="quiet">{html.escape(" · ".join(facts))}</p>',
        '<div class="pair">' + "".join(_figure(*each) for each in pair) + "</div>",
        *(_figure(caption, path) for caption, path in further.items() if caption not in first),
        _figure("losses and scores over the steps", folder.losses),
        _scores(scores),
        _doctor([record for record in log if "doctor" in record]),
        _settings(config),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>\n"
        + "\n".join(part for part in parts if part)
        + "</html>\n"
    )
    write_atomically(folder.report, page.encode(errors="backslashreplace"))  # names may be no text


def _scores(lines):
    if not lines:
        return ""
    head = "".join(
        f'<th class="figure">{name}</th>' for name in ("value", "real data", "collapsed")
    )
    rows = "".join(
        f"<tr><td>{html.escape(line.name)}</td>"
        + "".join(
            f'<td class="figure">{"" if value is None else f"{value:.4g}"}</td>'
            for value in (line.value, line.real, line.collapsed)
        )
        + f"<td>{html.escape(line.note)}</td></tr>"
        for line in lines
    )
    findings = "".join(f"<li>{html.escape(line.finding)}</li>" for line in lines if line.finding)
    words = f"<p>What stands out:</p><ul>{findings}</ul>" if findings else ""
    return f"<h2>Score</h2><table><tr><th></th>{head}<th></th></tr>{rows}</table>{words}"


def _figure(caption, path):
    path = Path(path)
    if not path.exists():
        return ""
    kind = path.suffix.removeprefix(".")
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img alt="{html.escape(caption)}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _doctor(findings):
    if not findings:
        return ""
    items = "".join(f"<li>step {f['step']}: {html.escape(str(f['doctor']))}</li>" for f in findings)
    return f"<h2>What the doctor saw</h2><ul>{items}</ul>"


def _settings(config):
    rows = "".join(
        f"<tr><td>{html.escape(str(key))}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in config.items()
    )
    return f"<h2>Settings</h2><table>{rows}</table>"
