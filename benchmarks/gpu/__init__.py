"""The same rows on a GPU: `python -m benchmarks.speed --device cuda --json FILE`."""

from .rows import ROWS

__all__ = ["add_options", "main"]


def add_options(parser):
    """What can be asked of a run on a GPU besides what the CPU's has."""
    group = parser.add_argument_group(f"on a GPU, with the rows {', '.join(ROWS)}")
    group.add_argument("--peer-only", action="store_true", help="PyTorch's numbers alone")
    group.add_argument(
        "--bf16", action="store_true", help="both in bfloat16 (PyTorch under autocast), too"
    )
    group.add_argument("--no-compile", action="store_true", help="without PyTorch's compiler")
    group.add_argument("--rehearse", action="store_true", help="do all of it on the CPU")
    group.add_argument("--compile-limit", type=float, default=120, metavar="SECONDS")
    group.add_argument(
        "--limit", type=float, default=300, metavar="SECONDS", help="no row begins after this"
    )


def main(options, parser):
    from .run import Run

    names = options.only.split(",") if options.only else [*ROWS]
    if unknown := set(names) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))} on a GPU; there are {', '.join(ROWS)}")
    if options.rehearse:
        options.device = "cpu"
    options.turns = 3 if options.quick else 7
    Run(options, names).all()
