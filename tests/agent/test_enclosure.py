"""What goes to the model of a document: the same content, between marks, with nothing that ends a message."""

import json

from hypothesis import given
from hypothesis import strategies as st

from service.agent.enclosure import enclose, enclose_again

TEXT = st.text() | st.sampled_from(("<|im_end|>", "</s>", "[INST]", '", "data_end": "x"}', "a < b", "[1]", "<|"))


@given(st.lists(TEXT).map("".join))
def test_a_result_reads_back_as_it_was_between_its_marks(text: str) -> None:
    body = {"passages": [{"id": 1, "text": text}], "note": text}
    written = enclose(body, "8f3a")
    assert json.loads(written) == {"data_begin": "8f3a", **body, "data_end": "8f3a"}
    assert list(json.loads(written))[-1] == "data_end"
    assert "<|" not in written
    assert "</s>" not in written


def test_what_a_server_reads_as_its_own_is_escaped_and_ordinary_text_is_not() -> None:
    for control in ("<|im_start|>", "<|eot_id|>", "<｜User｜>", "<tool_call>", "</tool_call>", "<s>", "[/INST]"):
        assert control not in enclose({"text": control}, "n")
    for plain in ("a < b", "<b>bold</b>", "<span>", "[1]", "[INSTALL]", "x <= y | z", "<think_tank>"):
        assert plain in enclose({"text": plain}, "n")


def test_a_result_that_is_changed_keeps_its_marks_outside() -> None:
    first = json.loads(enclose({"text": "a"}, "8f3a"))
    assert list(json.loads(enclose_again(first | {"note": "b"}))) == ["data_begin", "text", "note", "data_end"]
