"""`python -m lab.benchmark.prepare_fleet CARDS SEED` creates the tables and the demo fleet.

One process does both, because each start of Django takes time.
"""

import sys

import django
from django.core.management import call_command


def main(cards: int, seed: int) -> None:
    """Create the tables in an empty database, and generate the demo fleet."""
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("generate_cards", count=cards, seed=seed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
