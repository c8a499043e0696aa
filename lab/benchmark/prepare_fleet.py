"""`python -m lab.benchmark.prepare_fleet CARDS SEED`: create tables and fleet in one process."""

import sys

import django
from django.core.management import call_command


def main(cards: int, seed: int) -> None:
    """Migrate an empty database and generate the demo fleet in it."""
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("generate_cards", count=cards, seed=seed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
