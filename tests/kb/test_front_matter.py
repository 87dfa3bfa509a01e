"""Front matter describes a document; what is broken or hostile in it is a warning and never harm."""

import pytest

from tests.kb.shelf import document


def test_its_fields_describe_the_document_and_are_not_passages() -> None:
    found = document(
        "folder/a.md",
        "---\ntitle: Version 1.10\nTopic: ops\ndescription: What  it\n  is\ntags: [a, b, a]\naliases: x, y\n"
        "unknown: {deep: [1]}\n...\ntext\n",
    )

    assert (found.title, found.topic, found.description) == ("Version 1.10", "ops", "What it is")
    assert (found.tags, found.aliases, found.warnings) == (("a", "b"), ("x", "y"), ())
    assert [(p.start_line, p.text) for p in found.passages] == [(10, "text")]


@pytest.mark.parametrize(
    ("block", "warning"),
    [
        ("title: [unclosed", "not valid YAML at line 3"),
        ("title: 'a': b", "not valid YAML at line 2: mapping values are not allowed; put a value that holds"),
        (
            "A rule stands above: this: text",
            "not valid YAML at line 2: mapping values are not allowed; put a value",
        ),
        ('title: "a" b', "not valid YAML at line 2: did not find expected key; put the value in quotes"),
        ("title: T\n\ttags: [x]", "not valid YAML at line 3: found a tab character that violates indentation; in"),
        ("- a\n- b", "not a mapping of names to values, as in `title: Ports`"),
        ("a: &x 1\nb: *x", "anchors or aliases"),
        ("a: &x [&y [1]]", "anchors or aliases"),
        ("a: " + "[" * 9 + "]" * 9, "deeper than 8"),
        ("a: !!python/object:os.system x", ""),
        ("title: {a: 1}", "title must be text"),
        ("tags: {a: 1}", "tags must be a list"),
        ("tags: [{a: 1}]", "tags must be a list"),
        ("\x01: x", "not valid YAML"),
    ],
)
def test_a_broken_block_is_a_warning_and_the_text_is_indexed(block: str, warning: str) -> None:
    found = document("a.md", f"---\n{block}\n---\nwords of the text\n")

    assert found.title == "A"
    assert found.passages[-1].text.endswith("words of the text")
    assert warning in " ".join(found.warnings)
    assert bool(found.warnings) == bool(warning)


@pytest.mark.parametrize(
    ("value", "title", "warning"),
    [
        (
            "Backups: how and when",
            "Backups: how and when",
            "mapping values are not allowed; put a value that holds",
        ),
        ("What is RAG:  # a comment: no title", "What is RAG:", "mapping values are not allowed"),
        ('Don\'t: the "list"\r\n  goes on\r', 'Don\'t: the "list" goes on', "mapping values are not allowed"),
        ("@home", "@home", "found character that cannot start any token; put the value in quotes"),
        ("- a: b", "- a: b", "block sequence entries are not allowed; put the value in quotes"),
    ],
)
def test_a_value_that_lacks_its_quotes_is_read_as_it_stands_and_told(value: str, title: str, warning: str) -> None:
    block = f"title: {value}\ntopic: ops # not: this\ntags: [a, 'b: c']\naliases:\n- 'd'\n"
    found = document("a.md", f"---\n{block}---\nwords\n")

    assert (found.title, found.topic, found.tags, found.aliases) == (title, "ops", ("a", "b: c"), ("d",))
    assert [passage.text for passage in found.passages] == ["words"]
    assert found.warnings[0].startswith(f"front matter is not valid YAML at line 2: {warning}")


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    bomb = "a: &a [x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(24)
    )

    assert "anchors or aliases" in document("a.md", f"---\n{bomb}---\ntext").warnings[0]


def test_nesting_is_refused_before_it_exhausts_the_stack() -> None:
    assert "deeper than" in document("a.md", f"---\na: {'[' * 8000}\n---\ntext").warnings[0]


def test_names_that_are_nearly_those_of_fields_are_told() -> None:
    found = document("a.md", "---\ntitel: T\nTopics: x\ntag: [a]\nauthor: me\nslug: a\n---\ntext")

    assert found.warnings == (
        "front matter: `titel` is not read; did you mean `title`?",
        "front matter: `topics` is not read; did you mean `topic`?",
        "front matter: `tag` is not read; did you mean `tags`?",
    )


def test_a_block_that_never_closes_is_a_warning_where_it_is_long_or_holds_a_field() -> None:
    assert document("a.md", "---\nA rule above a text.\n").warnings == ()
    opened = document("a.md", "---\ntitle: T\n\n# H\n")
    assert opened.warnings == ("front matter is not closed: a line `---` is missing below it",)
    assert opened.passages[0].start_line == 1
    found = document("a.md", "---\n" + "word\n" * 5000)

    assert found.warnings == ("front matter is not closed within 16384 characters",)
    assert found.passages[0].start_line == 1


def test_null_and_empty_fields_count_as_absent() -> None:
    found = document("topic/a-name.md", "---\ntitle:\ntopic: ~\ntags: null\n---\nx")

    assert (found.title, found.topic, found.tags) == ("A name", "topic", ())


def test_long_values_and_lists_are_cut() -> None:
    found = document("a.md", f"---\ntitle: {'x' * 900}\ntags: [{','.join(map(str, range(200)))}]\n---\nx")

    assert len(found.title) == 500
    assert len(found.tags) == 64
