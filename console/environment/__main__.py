"""`python -m console.environment`: the state of every variable, or everything that is wrong with them."""

from __future__ import annotations

import argparse
import os
import sys

from console.environment import InvalidEnvironment, load, stop
from console.environment.report import example, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m console.environment", description=__doc__)
    parser.add_argument("--example", action="store_true", help="print an example file with every variable")
    if parser.parse_args().example:
        sys.stdout.write(example())
        return
    try:
        sys.stdout.write(table(load(), os.environ))
    except InvalidEnvironment as invalid:
        stop(invalid)


main()
