"""Survey the counters again and again, at the simulator's time: `python -m tests.support.e2e.surveyor`.

In production, a task of the product does the same every five minutes, at the machine's time.
"""

import os
import time

import django

from lab.simulator.remote import RunningSimulator

SECONDS = 0.2


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from polling.observe import counter_survey

    simulator = RunningSimulator(int(os.environ["SIMULATOR_PORT"]))
    while True:
        counter_survey.publish(now=simulator.clock())
        time.sleep(SECONDS)


if __name__ == "__main__":
    main()
