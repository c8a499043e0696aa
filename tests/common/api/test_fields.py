import pytest
from rest_framework import serializers

from common.api.fields import ChoiceField


@pytest.mark.parametrize(("choices", "names"), [
    ([(1, "in stock"), (2, "distributed")], "1 (in stock), 2 (distributed)"),
    ([("read", "read"), ("write", "read and write")], "read, write"),
    ([("", "any"), ("normal", "normal")], "an empty string, normal"),
])  # fmt: skip
@pytest.mark.parametrize("value", ["x", 0, 1.5, [], {}, "x" * 1_000_000])
def test_error_of_a_choice_names_the_choices(
    choices: list[tuple[object, str]], names: str, value: object
) -> None:
    with pytest.raises(serializers.ValidationError) as error:
        ChoiceField(choices=choices).run_validation(value)

    assert error.value.get_full_details() == [
        {"message": f"Choose one of: {names}.", "code": "invalid_choice"}
    ]
