"""``python -m portero`` and the ``portero`` command."""

import sys


def main() -> None:
    from portero.cli.root import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
