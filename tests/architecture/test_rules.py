"""Every rule finds the breach it is for, and leaves alone what only looks like one."""

import sqlite3
from collections.abc import Callable, Iterable

import pytest

from tests.architecture import conduct, imports, queries, shape, texts, trials
from tests.architecture.source import Rule, parse

LONG = "\n".join(["    x = 1"] * 60)
BREACHES: list[tuple[Rule, dict[str, str]]] = [
    (imports.one_way, {"service/kb/search.py": "from service.agent import loop"}),
    (imports.one_way, {"service/kb/search.py": "import service.chats.store"}),
    (imports.one_way, {"service/chats/store.py": "from service.kb.search import KnowledgeBase"}),
    (imports.one_way, {"service/agent/loop.py": "from ..api import schemas"}),
    (imports.one_way, {"service/errors.py": "from . import database"}),
    (imports.one_way, {"service/api/deps.py": "def f():\n    from service.app import App"}),
    (imports.one_way, {"service/__init__.py": "from service.app import main"}),
    (imports.one_way, {"service/wiring.py": "x = 1"}),
    (
        imports.no_cycles,
        {"service/kb/a.py": "from service.kb import b", "service/kb/b.py": "from service.kb.a import x"},
    ),
    (
        imports.no_cycles,
        {"service/kb/__init__.py": "from .a import x", "service/kb/a.py": "from service.kb import y"},
    ),
    (
        imports.no_cycles,
        {
            "service/kb/a.py": "from . import b",
            "service/kb/b.py": "import service.kb.c",
            "service/kb/c.py": "if TYPE_CHECKING:\n    from service.kb.a import x",
        },
    ),
    (imports.foreign_libraries, {"service/agent/runner.py": "from starlette.requests import Request"}),
    (imports.foreign_libraries, {"service/kb/search.py": "import fastapi"}),
    (imports.foreign_libraries, {"service/chats/store.py": "import openai.types"}),
    (imports.settings_at_the_top, {"service/kb/index.py": "from service.settings import Settings"}),
    (imports.settings_at_the_top, {"service/api/deps.py": "from service import settings"}),
    (imports.at_the_top, {"service/kb/index.py": "def f():\n    import json"}),
    (imports.at_the_top, {"service/kb/index.py": "class C:\n    def f(self):\n        from json import loads"}),
    (imports.at_the_top, {"service/kb/index.py": "import importlib\njson = importlib.import_module('json')"}),
    (shape.module_length, {"service/kb/a.py": "x = 1\n" * 301}),
    (shape.function_length, {"service/kb/a.py": f"async def f():\n{LONG}"}),
    (shape.mostly_short, {"service/kb/a.py": f"def f():\n{LONG}\ndef g(): pass"}),
    (shape.few_arguments, {"service/kb/a.py": "def f(a, b, c, d, e, f, g): pass"}),
    (shape.few_arguments, {"service/kb/a.py": "class C:\n    def f(self, a, /, b, c, d, *, e, f, g): pass"}),
    (shape.telling_names, {"service/kb/utils.py": ""}),
    (shape.telling_names, {"service/common/words.py": ""}),
    (shape.said_what_for, {"service/kb/a.py": "x = 1"}),
    (shape.said_what_for, {"service/kb/__init__.py": ""}),
    (shape.public_documented, {"service/kb/a.py": "def f(): pass"}),
    (shape.public_documented, {"service/kb/a.py": "class C:\n    x = 1"}),
    (shape.public_documented, {"service/kb/a.py": "class C:\n    'c'\n    async def f(self): pass"}),
    (conduct.no_sql, {"service/kb/a.py": "x = 'SELECT a FROM b'"}),
    (conduct.no_sql, {"service/kb/a.py": "x = f'SELECT {a} FROM {b}'"}),
    (conduct.no_sql, {"service/kb/a.py": "x = 'SELECT a ' + 'FROM b'"}),
    (conduct.no_sql, {"service/kb/a.py": "x = '''\nUPDATE a\nSET b = 1'''"}),
    (conduct.no_sql, {"service/kb/a.py": "x = 'INSERT OR IGNORE INTO a VALUES (1)'"}),
    (conduct.no_sql, {"service/kb/a.py": "x = 'DELETE FROM a'"}),
    (conduct.no_sql, {"service/kb/a.py": "x = 'CREATE VIRTUAL TABLE a USING fts5(b)'"}),
    (conduct.no_sql, {"service/kb/a.py": "tx.execute('select 1')"}),
    (conduct.environment_in_settings, {"service/kb/a.py": "import os\nx = os.environ['A']"}),
    (conduct.environment_in_settings, {"service/app.py": "import os\ndef f(): return os.getenv('A')"}),
    (conduct.environment_in_settings, {"service/app.py": "from os import environ as e"}),
    (conduct.plain_endpoints, {"service/api/a.py": "@router.get('/')\ndef f():\n    try: g()\n    finally: h()"}),
    (
        conduct.plain_endpoints,
        {"service/api/a.py": "@a.b.post('/')\nasync def f():\n  def g():\n    try: h()\n    except* E: i()"},
    ),
    (conduct.short_endpoints, {"service/api/a.py": f"@router.get('/')\nasync def f():\n    'd'\n{LONG[:150]}"}),
    (conduct.no_thread_a_request, {"service/api/a.py": "@router.get('/')\ndef f(): return 1"}),
    (conduct.no_thread_a_request, {"service/api/a.py": "def f(): pass\nX = Annotated[str, Depends(f)]"}),
    (conduct.few_broad_excepts, {"service/kb/a.py": "try: f()\nexcept Exception: g()\n" * 4}),
    (
        conduct.few_broad_excepts,
        {"service/kb/a.py": "try: f()\nexcept: g()\n" * 2 + "try: f()\nexcept (A, BaseException): g()\n" * 2},
    ),
    (conduct.few_broad_excepts, {"service/kb/a.py": "with contextlib.suppress(OSError, Exception): f()\n" * 4}),
    (conduct.import_does_nothing, {"service/kb/a.py": "x = open('a')"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "class C:\n    db = sqlite3.connect('a')"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "settings = Settings()"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "_SQL = load_queries('kb')"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "TEXT = (Path('a') / 'b').read_text('utf-8')"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "def f(client=AsyncOpenAI()): pass"}),
    (conduct.import_does_nothing, {"service/kb/a.py": "if True:\n    configure()"}),
    (trials.no_patching, {"tests/test_a.py": "from unittest.mock import patch"}),
    (trials.no_patching, {"tests/test_a.py": "from unittest import mock"}),
    (trials.no_patching, {"tests/test_a.py": "import unittest.mock"}),
    (trials.no_patching, {"tests/test_a.py": "def test_a(mocker): pass"}),
    (
        trials.no_patching,
        {"tests/test_a.py": "def test_a(monkeypatch):\n    monkeypatch.setattr(database, 'A', 1)"},
    ),
    (
        trials.no_patching,
        {"tests/test_a.py": "def test_a(monkeypatch):\n    monkeypatch.setattr('service.database.A', 1)"},
    ),
    (
        trials.no_patching,
        {"tests/test_a.py": "def test_a(monkeypatch):\n    monkeypatch.setitem(store.x, 'a', 1)"},
    ),
    (trials.no_patching, {"tests/test_a.py": "from service import database\ndatabase.LIMIT = 1"}),
    (trials.no_patching, {"tests/test_a.py": "import service.kb.index\nservice.kb.index.scan = None"}),
    (trials.no_sleeping, {"tests/test_a.py": "import time\ndef test_a():\n    time.sleep(1)"}),
    (
        trials.no_sleeping,
        {"tests/test_a.py": "from asyncio import sleep as nap\nasync def test_a():\n    await nap(0.1)"},
    ),
    (trials.no_sleeping, {"tests/test_a.py": "import asyncio\nasync def waiting():\n    await asyncio.sleep(1)"}),
    (trials.no_sleeping, {"tests/test_a.py": "def test_a(page):\n    page.wait_for_timeout(100)"}),
]

PERMITTED: list[tuple[Rule, dict[str, str]]] = [
    (
        imports.one_way,
        {"service/api/chats.py": "import json\nfrom service import __version__\nfrom service.agent import loop"},
    ),
    (imports.one_way, {"service/kb/index.py": "from . import rows\nfrom ..database import Database"}),
    (imports.no_cycles, {"service/kb/__init__.py": "from .a import x", "service/kb/a.py": "import json"}),
    (imports.foreign_libraries, {"service/api/a.py": "import fastapi", "service/agent/llm.py": "import openai"}),
    (imports.settings_at_the_top, {"service/app.py": "from service.settings import Settings"}),
    (imports.at_the_top, {"service/app.py": "def f():\n    import uvicorn", "service/kb/a.py": "import json"}),
    (shape.function_length, {"service/kb/a.py": "@decorated\n" * 9 + "def f():\n" + LONG[:590]}),
    (shape.few_arguments, {"service/kb/a.py": "class C:\n    def f(self, a, b, c, d, e, f): pass"}),
    (shape.telling_names, {"service/database.py": "", "service/kb/analysis.py": ""}),
    (shape.said_what_for, {"tests/kb/__init__.py": "", "service/kb/a.py": "'Says it.'"}),
    (
        shape.public_documented,
        {"service/kb/a.py": "def _f(): pass\nclass C:\n    'c'\n    def __len__(self): pass"},
    ),
    (conduct.no_sql, {"service/kb/a.py": "'''SELECT a FROM b is in kb.sql.'''\nx = 'Select one from the list'"}),
    (
        conduct.no_sql,
        {"service/kb/a.py": "c.execute('BEGIN IMMEDIATE')\nc.execute(f'PRAGMA {a}')\ntools.execute('search')"},
    ),
    (
        conduct.environment_in_settings,
        {"service/settings.py": "import os\nx = os.environ", "service/a.py": "import os\nos.stat"},
    ),
    (conduct.plain_endpoints, {"service/api/a.py": "def f():\n    try: g()\n    except E: h()"}),
    (
        conduct.short_endpoints,
        {"service/api/a.py": f"@router.get(\n'/',\n)\ndef f():\n    '''d\n\n{LONG}\n    '''\n    return 1"},
    ),
    (
        conduct.no_thread_a_request,
        {"service/api/a.py": "@router.get('/')\nasync def f(): g()\ndef g(): pass\nX = Depends(Access(None))"},
    ),
    (
        conduct.few_broad_excepts,
        {"service/kb/a.py": "try: f()\nexcept Exception: g()\n" * 3 + "try: f()\nexcept OSError: g()\n"},
    ),
    (
        conduct.import_does_nothing,
        {"service/kb/a.py": "import re\nX = re.compile('a')\ndef f(): return open('a')\nY = lambda: open('b')"},
    ),
    (
        conduct.import_does_nothing,
        {"service/cli/__init__.py": "app = Typer()\napp.add_typer(x)\nif __name__ == '__main__':\n    app()"},
    ),
    (
        trials.no_patching,
        {"tests/test_a.py": "def f(monkeypatch):\n    monkeypatch.setenv('A', '1')\n    monkeypatch.chdir('b')"},
    ),
    (
        trials.no_patching,
        {"tests/test_a.py": "def test_a(monkeypatch):\n    monkeypatch.setattr(sys, 'argv', [])\n    self.x = 1"},
    ),
    (
        trials.no_sleeping,
        {"tests/test_a.py": "async def _until(c):\n    while not c(): await asyncio.sleep(0.01)"},
    ),
    (trials.no_sleeping, {"tests/test_a.py": "async def test_a():\n    await asyncio.sleep(0)"}),
    (trials.no_sleeping, {"tests/fake_llm.py": "async def answer():\n    await asyncio.sleep(1)"}),
]


@pytest.mark.parametrize(("rule", "sources"), BREACHES)
def test_a_breach_is_found(rule: Rule, sources: dict[str, str]) -> None:
    assert list(rule([parse(path, text) for path, text in sources.items()]))


@pytest.mark.parametrize(("rule", "sources"), PERMITTED)
def test_what_is_permitted_is_left_alone(rule: Rule, sources: dict[str, str]) -> None:
    assert list(rule([parse(path, text) for path, text in sources.items()])) == []


def test_every_rule_has_a_breach_that_shows_it() -> None:
    defined = {
        rule
        for home in (imports, shape, conduct, trials)
        for name, rule in vars(home).items()
        if getattr(rule, "__module__", "") == home.__name__ and not name.startswith("_")
        if rule is not imports.imports and callable(rule) and not isinstance(rule, type)
    }

    assert {rule for rule, _ in BREACHES} == defined


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (texts.no_registry, "https://pypi." + "org/simple"),
        (texts.no_registry, "PIP_INDEX=http://mirror.example" + "/simple/"),
        (texts.no_registry, "--index-" + "url https://mirror.example/x"),
        (texts.no_registry, "https://registry." + "npmjs.org/left-pad"),
        (texts.no_registry, "https://me:secret" + "@mirror.example/"),
        (texts.no_machine_path, "see /home" + "/me/notes.md"),
        (texts.no_machine_path, "'/work" + "/main'"),
        (texts.no_machine_path, "PATH=/Users" + "/me/bin"),
        (texts.no_open_end, "# TO" + "DO: later"),
    ],
)
def test_a_breach_in_a_text_is_found(rule: Callable[[str, str], Iterable[str]], text: str) -> None:
    assert list(rule("service/kb/a.py", f"first line\n{text}\n"))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (texts.no_registry, "uv.lock", "https://pypi." + "org/simple"),
        (texts.no_registry, "README.md", "http://localhost:8000/docs, https://pypi.org/project/uv, PIP_INDEX_URL"),
        (texts.no_machine_path, "README.md", "service/work/a, https://example.org/home/x, /srv/notes, ~/home/x"),
        (texts.no_open_end, "docs/a.md", "a TO" + "DO list"),
    ],
)
def test_a_text_without_a_breach_is_left_alone(
    rule: Callable[[str, str], Iterable[str]], path: str, text: str
) -> None:
    assert list(rule(path, text)) == []


LIBRARY = {
    "kb": {
        "one": "-- Finds one.\nSELECT a FROM t WHERE a = :a LIMIT :n;",
        "two": "-- Adds.\nINSERT INTO t VALUES (?);",
    }
}


@pytest.mark.parametrize(
    "text",
    [
        "self._sql = load_queries('kb')\nself._sql['none']",
        "QUERIES = load_queries('kb')\nc.execute(QUERIES[f'no_{x}'])",
        "def _sql():\n    return load_queries('kb')\n_sql()['none']",
        "q = load_queries('kb')\ndef _rows(name): return q[name]\n_rows('none')",
        "q = load_queries('kb')\nfor name in names: q[name]",
        "q = load_queries('kb')\ndef f():\n    name = 'one' if x else 'none'\n    q[name]",
        "q = load_queries('no_such_file')\nq['one']",
    ],
)
def test_a_query_that_does_not_exist_is_found(text: str) -> None:
    assert list(queries.unknown([parse("service/kb/a.py", text)], LIBRARY))


@pytest.mark.parametrize(
    "text",
    [
        "self._sql = load_queries('kb')\nself._sql['one']\nself._sql['two']",
        "q = load_queries('kb')\nq[f't{x}o']\nq['one' if x else 'two']",
        "def _sql():\n    return load_queries('kb')\n_sql()['one'], _sql()['two']",
        "q = load_queries('kb')\nclass C:\n  def f(self, k): return lambda: q[k]\nC().f('one')\nC().f(k='two')",
        "q = load_queries('kb')\ndef f():\n    name = 'one' if x else 'two'\n    return lambda: q[name]",
        "q = load_queries('kb')\ndef f():\n    for name in ('one', 'two'): q[name]",
    ],
)
def test_queries_that_exist_and_are_used_are_left_alone(text: str) -> None:
    module = parse("service/kb/a.py", text)

    assert [*queries.unknown([module], LIBRARY), *queries.unused([module], LIBRARY)] == []


def test_a_query_that_nothing_uses_is_found() -> None:
    module = parse("service/kb/a.py", "q = load_queries('kb')\nq['one']")

    assert list(queries.unused([module], LIBRARY)) == ["service/sql/kb.sql: nothing uses two"]


def test_a_query_without_a_sentence_is_found() -> None:
    assert list(queries.undescribed({"kb": {"one": "SELECT 1;"}}))
    assert list(queries.undescribed(LIBRARY)) == []


@pytest.mark.parametrize("sql", ["SELECT b FROM t", "SELECT a FROM u", "SELECT a FRM t", "SELECT 1; SELECT 2"])
def test_a_query_that_does_not_fit_the_schema_is_found(sql: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")

    assert list(queries.unfit(connection, {"kb": {"one": sql}}))
    assert list(queries.unfit(connection, LIBRARY)) == []
    connection.close()
