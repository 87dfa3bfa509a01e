"""The error tree: every class carries what its reader needs, and stands where the page says."""

import re
from pathlib import Path

import pytest

from service import errors


def test_the_tree_at_the_top_of_the_page_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    defined = re.findall(r"^class (\w+)", Path(errors.__file__).read_text(), re.MULTILINE)
    assert drawn == defined[1:]
    assert len(defined) <= 15
    for name in defined:
        assert issubclass(getattr(errors, name), errors.KbAgentError)


@pytest.mark.parametrize(
    "kind", [errors.DataDirectoryLocked, errors.DatabaseUnusable, errors.ReadDeadlineExceeded]
)
def test_what_the_database_refuses_is_a_storage_error(kind: type[errors.StorageError]) -> None:
    assert issubclass(kind, errors.StorageError)


def test_settings_errors_keep_each_mistake() -> None:
    error = errors.SettingsError(["PORT: one", "HOST: two"])
    assert error.problems == ("PORT: one", "HOST: two")
    assert str(error) == "PORT: one\nHOST: two"


def test_what_is_not_found_names_what_exists() -> None:
    error = errors.NotFound("document", "a.md", ["b.md"])
    assert (error.kind, error.name, error.suggestions) == ("document", "a.md", ("b.md",))
    assert "a.md" in str(error)


def test_bad_input_names_its_field_and_code() -> None:
    error = errors.InvalidInput("too long", field="body.content", code="message_too_long")
    assert (error.detail, error.field, error.code) == ("too long", "body.content", "message_too_long")
    assert errors.InvalidInput("odd").code == "invalid_input"


def test_conflicts_name_the_message_to_follow() -> None:
    error = errors.Conflict("turn_in_progress", "wait", "msg_1")
    assert (error.code, error.detail, error.message_id) == ("turn_in_progress", "wait", "msg_1")


def test_overload_says_when_to_come_back() -> None:
    assert errors.Overloaded("full", retry_after=5).retry_after == 5


def test_model_errors_say_what_to_do() -> None:
    error = errors.ModelError("provider_rate_limited", "wait", retryable=True, retry_after=3.0, window=2048)
    assert (error.code, error.detail, error.retryable) == ("provider_rate_limited", "wait", True)
    assert (error.retry_after, error.window) == (3.0, 2048)


def test_a_server_that_is_not_there_is_told_by_its_message() -> None:
    assert str(errors.ServerUnreachable("no answer")) == "no answer"
    assert str(errors.RequestRefused("too long")) == "too long"
