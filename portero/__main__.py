"""``python -m portero`` and the ``portero`` command."""

import sys


def main() -> None:
    try:
        from portero.cli.root import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while it is still being imported
        sys.exit(130)


if __name__ == "__main__":
    main()
