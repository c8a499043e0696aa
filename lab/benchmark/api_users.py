"""`python -m lab.benchmark.callers CARDS`: makes who asks the API, and prints each as a line of JSON."""

import json
import sys

import django


def main(cards: int) -> None:
    """An administrator, and the user of the smallest agent who has so many cards; with the cards that each asks for."""
    django.setup()
    from django.contrib.auth.models import Group
    from django.db.models import Count

    from accounts import tokens
    from accounts.models import Agent, ApiToken, User
    from accounts.roles import Role
    from cards.models import Card

    administrator = User.objects.create_superuser("benchmark-administrator")
    sizes = Card.objects.filter(status=Card.Status.ACTIVATED).values("agent").annotate(cards=Count("id"))
    small = sizes.filter(cards__gte=cards).order_by("cards", "agent").first() or sizes.order_by("-cards")[0]
    user = User.objects.create_user("benchmark-agent", agent=Agent.objects.get(pk=small["agent"]))
    user.groups.add(Group.objects.get(name=Role.AGENT.value))
    for who, caller in (("administrator", administrator), ("small agent", user)):
        visible = Card.objects.visible_to(caller).filter(status=Card.Status.ACTIVATED).order_by("-id")
        told = {
            "who": who,
            "is_staff": caller.role in Role.of_staff(),
            "token": tokens.issue(caller, name="benchmark", scope=ApiToken.Scope.WRITE)[1],
            "cards": list(visible.values_list("id", flat=True)[:cards]),
        }
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
