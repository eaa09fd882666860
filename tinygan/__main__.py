"""python -m tinygan sample RUN | info"""

import argparse
import sys

from .train import console, info, sampling
from .train.folder import RunError


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tinygan", description="Samples of trained models; facts about this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="sample | info")
    sample = commands.add_parser("sample", help="draw samples from a run's checkpoint")
    sampling.add_arguments(sample)
    commands.add_parser("info", help="versions, devices, threads")
    console.never_fail_to_print()
    options = parser.parse_args(arguments)
    try:
        if options.command == "sample":
            return sampling.main(options)
    except (RunError, MemoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print("\n".join(info.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
