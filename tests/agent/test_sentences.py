"""Text into sentences: exact offsets, Markdown blocks, abbreviations, the punctuation of many scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.sentences import blocks, split

MARKDOWN = """# Ports

The service listens on port 8000. Set `PORT` to
change it, e.g. to 9000.

- one item. It has two sentences.
- another item
  that goes on

1. first
2. second

| Setting | Default |
| --- | --- |
| PORT | 8000 |

```sh
PORT=9000 scripts/run

echo done. Really.
```

    indented code

Setext
------
Last words"""


def sentences(text: str) -> list[str]:
    return [text[s.start : s.end] for s in split(text)]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(s.kind, text[s.start : s.end]) for s in split(text)]


def test_each_kind_of_markdown_block_is_told_apart() -> None:
    assert kinds(MARKDOWN) == [
        ("heading", "# Ports"),
        ("prose", "The service listens on port 8000."),
        ("prose", "Set `PORT` to\nchange it, e.g. to 9000."),
        ("item", "one item."),
        ("item", "It has two sentences."),
        ("item", "another item\n  that goes on"),
        ("item", "first"),
        ("item", "second"),
        ("row", "| Setting | Default |"),
        ("row", "| PORT | 8000 |"),
        ("code", "```sh\nPORT=9000 scripts/run\n\necho done. Really.\n```"),
        ("code", "indented code"),
        ("heading", "Setext\n------"),
        ("prose", "Last words"),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dr. Smith met J. K. Rowling. They talked.", ["Dr. Smith met J. K. Rowling.", "They talked."]),
        ("It costs 3.50 dollars, i.e. little. Buy it!", ["It costs 3.50 dollars, i.e. little.", "Buy it!"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("See Fig. 3 and vol. 2. Done?", ["See Fig. 3 and vol. 2.", "Done?"]),
        ("It waits... and goes on. End.", ["It waits... and goes on.", "End."]),
        ("Run `a. B ... c` twice. Then stop.", ["Run `a. B ... c` twice.", "Then stop."]),
        ("An odd ` tick. Next one.", ["An odd ` tick.", "Next one."]),
        ("Das ist z.B. so. Und nun?", ["Das ist z.B. so.", "Und nun?"]),
        ("no punctuation at all", ["no punctuation at all"]),
    ],
)
def test_a_full_stop_ends_a_sentence_only_where_one_ends(text: str, wanted: list[str]) -> None:
    assert sentences(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("服务启动了。它监听8000端口！真的吗？", ["服务启动了。", "它监听8000端口！", "真的吗？"]),
        ("サーバーです。「はい。」と言った。", ["サーバーです。", "「はい。」", "と言った。"]),
        ("यह पहला वाक्य है। यह दूसरा है।", ["यह पहला वाक्य है।", "यह दूसरा है।"]),
        ("ما هذا؟ هذا كتاب.", ["ما هذا؟", "هذا كتاب."]),
        (
            "Это предложение. Он родился в 1990 г. в Москве.",
            ["Это предложение.", "Он родился в 1990 г. в Москве."],
        ),
    ],
)
def test_the_punctuation_of_other_scripts_ends_sentences(text: str, wanted: list[str]) -> None:
    assert sentences(text) == wanted


def test_thai_is_cut_at_spaces_into_pieces_of_about_a_sentence() -> None:
    phrase = "ทีมบรอนคอสเอาชนะทีมพิตต์สเบิร์กสตีลเลอร์สในรอบดิวิชั่น"
    found = sentences(" ".join([phrase] * 6))
    assert 2 <= len(found) <= 4
    assert all(len(piece) >= len(phrase) for piece in found)


def test_an_unclosed_fence_lasts_to_the_end() -> None:
    assert kinds("Before.\n```\ncode. More.\n\nstill code") == [
        ("prose", "Before."),
        ("code", "```\ncode. More.\n\nstill code"),
    ]


def test_blocks_number_the_sentences_of_one_paragraph_alike() -> None:
    first, second, third = split("One. Two.\n\nThree.")
    assert (first.block, second.block, third.block) == (0, 0, 1)
    assert len(blocks("One. Two.\n\nThree.")) == 2


@given(st.text(alphabet=st.sampled_from("ab .!?\n`~#-*|1。、\"'()ก \tA=")))
def test_sentences_stand_in_the_text_in_order_without_overlap(text: str) -> None:
    at = 0
    for sentence in split(text):
        assert at <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end].strip()
        at = sentence.end


@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    covered = "".join(text[s.start : s.end] for s in split(text))
    assert len(covered) <= len(text)
