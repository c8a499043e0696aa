"""Operators add, change and delete cards in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from audit.models import Operation
from cards.admin import cards as cards_admin
from cards.models import Card, CardEvent, UsageRecord
from carriers.iccids import check_digit, plain
from tests.factories import (
    CardFactory,
    DeviceFactory,
    UserFactory,
)
from tests.support.admin_forms import act, errors, form_of, post

pytestmark = pytest.mark.django_db


def test_added_card_has_a_created_event(administrator: Client) -> None:
    template = CardFactory.create()

    answer = post(administrator, Card, "add", {"iccid": "8986000000000000ABCD", **form_of(template)})

    assert answer.status_code == 302
    card = Card.objects.get(iccid="8986000000000000ABCD")
    assert list(card.events.values_list("kind", "cause")) == [("created", "admin: root")]


def test_taken_iccid_is_reported_at_its_field(administrator: Client) -> None:
    card = CardFactory.create()

    answer = post(administrator, Card, "add", {"iccid": card.iccid, **form_of(card)})

    assert answer.status_code == 200
    assert list(errors(answer)) == ["iccid"]
    assert Card.objects.count() == 1


SIM = "8986112233445566778"
SPELLINGS = (
    f"{SIM}F",
    f"{SIM}{check_digit(SIM)}",
    f"8986 1122 3344 5566 778{check_digit(SIM)}",
    "8986-1122-3344-5566-778f",
)


@pytest.mark.parametrize("taken", [SIM, f"{SIM}F", f"{SIM}{check_digit(SIM)}"])
@pytest.mark.parametrize("spelling", [SIM, *SPELLINGS])
def test_other_spelling_of_a_sim_is_refused_with_its_card(
    administrator: Client, taken: str, spelling: str
) -> None:
    card = CardFactory.create(iccid=taken)

    answer = post(administrator, Card, "add", {"iccid": spelling, **form_of(card)})

    assert list(errors(answer)) == ["iccid"]
    assert f"it is card {card.pk}, {taken}" in str(errors(answer)["iccid"])
    assert Card.objects.count() == 1


def test_refusal_does_not_describe_a_hidden_card(client: Client) -> None:
    own, hidden = CardFactory.create(), CardFactory.create(iccid=f"{SIM}F")
    user = UserFactory.create(role="agent", agent=own.agent, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_card"))
    client.force_login(user)

    answer = post(client, Card, "add", {"iccid": SIM, **form_of(own)})

    assert errors(answer) == {"iccid": ["This SIM card exists already."]}
    assert hidden.iccid not in answer.content.decode()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_card_is_stored_without_blanks_and_found_in_any_spelling(
    administrator: Client, spelling: str
) -> None:
    template, other = CardFactory.create(), CardFactory.create(iccid=SIM[:-1] + "0")
    added = post(administrator, Card, "add", {"iccid": spelling, **form_of(template)})
    assert added.status_code == 302
    card = Card.objects.get(iccid=plain(spelling))

    for term in (*SPELLINGS, SIM, plain(spelling)[-6:], "8986 1122 3344 5566 778"):
        page = administrator.get(reverse("admin:cards_card_changelist"), {"q": term}).content.decode()
        assert card.iccid in page, term
        assert other.iccid not in page, term


def test_iccid_taken_after_form_validation_saves_nothing(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = CardFactory.create()
    # Skip the form's own check, as if another request had saved the same ICCID just after this check.
    monkeypatch.setattr(cards_admin.CardForm, "clean_iccid", lambda form: form.cleaned_data["iccid"])

    answer = post(administrator, Card, "add", {"iccid": card.iccid, **form_of(card)})

    assert answer.status_code == 302
    assert card.iccid in administrator.get(answer["Location"]).content.decode()
    assert Card.objects.count() == 1


def test_form_writes_only_changes_and_an_event_for_each(administrator: Client) -> None:
    card, device = CardFactory.create(), DeviceFactory.create()

    data = form_of(card, status=4, device=device.pk, msisdn="8613800000001")
    assert post(administrator, Card, "change", data, card.pk).status_code == 302

    card.refresh_from_db()
    assert (card.status, card.device, card.msisdn, card.imsi) == (4, device, "8613800000001", None)
    assert set(card.events.values_list("kind", "before", "after")) == {
        ("status", "3", "4"),
        ("device", "", str(device.pk)),
    }


def test_event_list_shows_labels_of_values(administrator: Client) -> None:
    card = CardFactory.create()
    CardEvent.objects.create(
        card=card, at="2026-05-10T12:00:00Z", kind="status", before="2", after="4", cause="x"
    )

    page = administrator.get(reverse("admin:cards_cardevent_changelist")).content.decode()

    assert "distributed" in page
    assert "deactivated" in page


def test_saving_an_unchanged_card_writes_nothing(administrator: Client) -> None:
    card = CardFactory.create()

    post(administrator, Card, "change", form_of(card), card.pk)

    assert not CardEvent.objects.exists()


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [("disable_polling", "enable_polling", False), ("enable_polling", "enable_polling", True)],
)
def test_chosen_cards_are_changed_together(
    administrator: Client, action: str, field: str, value: bool
) -> None:
    chosen = [CardFactory.create(enable_polling=not value) for _ in range(3)]
    other = CardFactory.create(enable_polling=not value)

    assert act(administrator, Card, action, chosen) == ["3 cards changed."]

    assert set(Card.objects.filter(**{field: value})) == set(chosen)
    assert not other.events.exists()
    operation = Operation.objects.get(target_type="cards.card")
    assert operation.after == {"action": action, "card_ids": [card.pk for card in chosen]}


def test_deleted_card_is_hidden_from_the_list_but_kept(administrator: Client) -> None:
    card = CardFactory.create()

    question = post(
        administrator, Card, "changelist", {"action": "delete_cards", "_selected_action": [card.pk]}
    )
    assert "Delete 1 card?" in question.content.decode()
    card.refresh_from_db()
    assert card.deleted_at is None
    assert act(administrator, Card, "delete_cards", [card], confirmed="yes") == ["1 card changed."]

    assert card.iccid not in administrator.get(reverse("admin:cards_card_changelist")).content.decode()
    card.refresh_from_db()
    assert card.deleted_at is not None


def test_action_on_too_many_cards_changes_none(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [CardFactory.create() for _ in range(3)]
    monkeypatch.setattr(cards_admin, "MAX_CARDS", 2)

    [message] = act(administrator, Card, "disable_polling", cards[:1], select_across="1")

    assert message == "You can change at most 2 cards at a time. Nothing was changed."
    assert Card.objects.filter(enable_polling=True).count() == 3


def test_history_of_a_deleted_card_is_found(administrator: Client) -> None:
    card = CardFactory.create()
    act(administrator, Card, "delete_cards", [card], confirmed="yes")

    page = administrator.get(reverse("admin:cards_cardevent_changelist"), {"q": card.iccid})

    assert card.iccid in page.content.decode()


def test_usage_records_show_and_are_found_by_iccid(administrator: Client) -> None:
    card, other = CardFactory.create(), CardFactory.create()
    for used in (card, other):
        UsageRecord.objects.create(
            card_id=used.pk, recorded_at="2026-05-10T12:00:00Z", measured_at="2026-05-10T12:00:00Z",
            raw_mb=1, used_mb=1, delta_mb=0,
        )  # fmt: skip

    page = administrator.get(reverse("admin:cards_usagerecord_changelist"), {"q": card.iccid[:-1].lower()})
    found = administrator.get(reverse("admin:cards_usagerecord_changelist"), {"q": card.iccid})

    assert card.iccid in page.content.decode()
    assert other.iccid not in found.content.decode()
