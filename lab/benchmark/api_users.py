"""`python -m lab.benchmark.api_users CARDS` creates the users of the API benchmark.

It prints one line of JSON for each user.
"""

import json
import sys

import django


def main(cards: int) -> None:
    """Create an administrator and a user of a small agent, and print a JSON object for each of them.

    The agent is the smallest agent with at least `cards` activated cards, or the largest agent if none has
    that many. Each object has the keys `who`, `is_staff`, `token` and `cards`. The list under the key `cards`
    has the ids of activated cards that the user can see, at most as many as the argument `cards`.
    """
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
    agent_user = User.objects.create_user("benchmark-agent", agent=Agent.objects.get(pk=small["agent"]))
    agent_user.groups.add(Group.objects.get(name=Role.AGENT.value))
    for who, user in (("administrator", administrator), ("small agent", agent_user)):
        visible = Card.objects.visible_to(user).filter(status=Card.Status.ACTIVATED).order_by("-id")
        line = {
            "who": who,
            "is_staff": user.role in Role.of_staff(),
            "token": tokens.issue(user, name="benchmark", scope=ApiToken.Scope.WRITE)[1],
            "cards": list(visible.values_list("id", flat=True)[:cards]),
        }
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
