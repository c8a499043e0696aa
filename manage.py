#!/usr/bin/env python
"""Django's command line. `bin/manage` runs it with the project's Python and settings."""

import os
import sys

from common.outages import one_line


def main() -> None:
    """Run a command. If an operator can fix its error, print the error on one line without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"simwatch: {error}")
    except Exception as error:
        message = one_line(error)
        if message is None:
            raise
        sys.exit(f"simwatch: {message}")


if __name__ == "__main__":
    main()
