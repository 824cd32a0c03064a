"""The command line. Heavy imports happen inside the commands, so that `mechopt --help` is instant."""

from __future__ import annotations

import sys

# The order of these imports is the order of the commands in `mechopt --help`.
# isort: off
from mechopt.commands import instances as instances
from mechopt.commands import solving as solving
from mechopt.commands import results as results
from mechopt.commands import sweeps as sweeps

# isort: on
from mechopt.commands.common import BAD_INPUT, ERROR, INTERRUPTED, app, complain


def main() -> None:
    """The console script: commands, with every error turned into a line on stderr and an exit code."""
    from mechopt.models.inputs import InputError

    try:
        app()
    except InputError as error:
        complain(str(error))
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ERROR)
    except OSError as error:
        complain(f"{error.filename or 'file'}: expected a file one can read or write, got {error.strerror}")
        sys.exit(BAD_INPUT)
    except Exception as error:
        complain(f"{type(error).__name__}: {error}")
        sys.exit(ERROR)


if __name__ == "__main__":
    main()
