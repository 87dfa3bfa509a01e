"""The code keeps the rules of `tests/architecture`: order of imports, sizes, names, conduct, queries."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from service.database import load_queries
from service.schema import equip, open_writer
from tests.architecture import conduct, imports, queries, shape, texts, trials
from tests.architecture.source import ROOT, Rule, files, modules

EVERYWHERE: list[Rule] = [
    shape.module_length,
    shape.function_length,
    shape.telling_names,
    shape.said_what_for,
]
IN_THE_SERVICE: list[Rule] = [
    imports.one_way,
    imports.no_cycles,
    imports.foreign_libraries,
    imports.settings_at_the_top,
    imports.at_the_top,
    shape.mostly_short,
    shape.few_arguments,
    shape.public_documented,
    conduct.no_sql,
    conduct.environment_in_settings,
    conduct.plain_endpoints,
    conduct.short_endpoints,
    conduct.no_thread_a_request,
    conduct.few_broad_excepts,
    conduct.import_does_nothing,
]
IN_TESTS: list[Rule] = [trials.no_patching, trials.no_sleeping]


def named(rule: Callable[..., object]) -> str:
    """Show a rule by its name in pytest's output."""
    return rule.__name__


@pytest.mark.parametrize("rule", EVERYWHERE, ids=named)
def test_all_code_keeps_the_rule(rule: Rule) -> None:
    assert list(rule((*modules("service"), *modules("tests"), *modules("scripts")))) == []


@pytest.mark.parametrize("rule", IN_THE_SERVICE, ids=named)
def test_the_service_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(modules("service"))) == []


@pytest.mark.parametrize("rule", IN_TESTS, ids=named)
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    assert list(rule(modules("tests"))) == []


@pytest.mark.parametrize("rule", [texts.no_registry, texts.no_machine_path, texts.no_open_end], ids=named)
def test_all_files_keep_the_rule(rule: Callable[[str, str], Iterable[str]]) -> None:
    assert [breach for path, text in readable() for breach in rule(path, text)] == []


def test_the_rules_see_the_whole_service() -> None:
    on_disk = {path.relative_to(ROOT).as_posix() for path in (ROOT / "service").rglob("*.py")}

    assert {module.path for module in modules("service")} == on_disk


def test_every_query_that_the_code_names_exists(library: queries.Library) -> None:
    assert list(queries.unknown(modules("service"), library)) == []


def test_every_query_is_used(library: queries.Library) -> None:
    assert list(queries.unused(modules("service"), library)) == []


def test_every_query_says_what_it_does(library: queries.Library) -> None:
    assert list(queries.undescribed(library)) == []


def test_every_query_fits_the_schema(library: queries.Library, tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "empty.db")
    try:
        assert list(queries.unfit(connection, library)) == []
    finally:
        connection.close()


def test_every_migration_can_be_rolled_back_as_one(tmp_path: Path) -> None:
    scripts = sorted((ROOT / "service/sql/migrations").glob("*.sql"))
    connection = sqlite3.connect(tmp_path / "empty.db", isolation_level=None)
    equip(connection)
    try:
        for number, script in enumerate(scripts, start=1):
            assert script.name.startswith(f"{number:04d}_")
            connection.executescript(f"BEGIN; {script.read_text('utf-8')}")
            assert connection.in_transaction, f"{script.name} ends the transaction it runs in"
            connection.execute("COMMIT")
    finally:
        connection.close()


@pytest.fixture
def library() -> queries.Library:
    """Every file of named queries."""
    found: Mapping[str, Mapping[str, str]] = {
        path.stem: load_queries(path.stem) for path in sorted((ROOT / "service/sql").glob("*.sql"))
    }
    assert found
    return found


def readable() -> Iterator[tuple[str, str]]:
    """Every file of the project that is text, with its text."""
    for path in files():
        data = (ROOT / path).read_bytes()
        if b"\0" not in data[:8192]:
            yield path, data.decode("utf-8", errors="replace")
