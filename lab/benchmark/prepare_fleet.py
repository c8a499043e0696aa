"""`python -m lab.benchmark.preparing CARDS SEED`: tables and a fleet, in one process to save time."""

import sys

import django
from django.core.management import call_command


def main(cards: int, seed: int) -> None:
    """The database is empty."""
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("generate_cards", count=cards, seed=seed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
