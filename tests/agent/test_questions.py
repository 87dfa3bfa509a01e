"""What a message asks: small talk or a question, its terms and type, what the conversation adds."""

import pytest

from service.agent.answer_types import AnswerType, answer_type, offers
from service.agent.questions import content_words, depends, understand
from service.agent.smalltalk import Intent, intent
from service.agent.words import terms
from service.chats.turns import Exchange

EVENTS = Exchange("How long are events kept for resuming?", "Events are kept for 7 days.")
LLAMA = Exchange("How do I connect llama.cpp to kb-agent?", "Set LLM_BASE_URL.")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Hi!", "greeting"),
        ("good morning everyone", "greeting"),
        ("Guten Tag", "greeting"),
        ("你好", "greeting"),
        ("สวัสดีครับ", "greeting"),
        ("Thanks a lot!", "thanks"),
        ("thank you, that helps", "thanks"),
        ("vielen Dank", "thanks"),
        ("ありがとうございます", "thanks"),
        ("bye", "farewell"),
        ("ok, great", "assent"),
        ("What can you do?", "about"),
        ("who are you", "about"),
        ("Was kannst du?", "about"),
        ("What topics do you have?", "topics"),
        ("list all documents", "topics"),
        ("what's in the knowledge base?", "topics"),
        ("???", "nothing"),
        ("Hello, how do I start the service?", "question"),
        ("What can you do with kb-agent search?", "question"),
        ("which documents describe SSE?", "question"),
        ("thanks to whom was radium found?", "question"),
        ("help with docker", "question"),
        ("respond-async", "question"),
        ("what do you know about Kubernetes?", "question"),
    ],
)
def test_only_a_message_that_is_small_talk_as_a_whole_is_no_question(message: str, wanted: Intent) -> None:
    assert intent(message) == wanted


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("When was Warsaw founded?", "time"),
        ("In what year did it end?", "time"),
        ("How many people live there?", "number"),
        ("how long does it wait when the disk is full", "number"),
        ("What happens when the disk is full?", "other"),
        ("default port", "number"),
        ("Who wrote it?", "name"),
        ("Which chemist found it?", "name"),
        ("Where is the database?", "place"),
        ("Why does it fail?", "reason"),
        ("How do I start it?", "procedure"),
        ("How do I get notified when it changes?", "procedure"),
        ("prometheus scrape config", "procedure"),
        ("What is a passage?", "definition"),
        ("what does WAL stand for", "definition"),
        ("What did Luther call for?", "other"),
        ("Wann wurde das Haus gebaut?", "time"),
        ("¿Cuántos habitantes tiene?", "number"),
        ("Qui a écrit ce livre ?", "name"),
        ("Почему это случилось?", "reason"),
        ("他什么时候出生？", "time"),
        ("なぜ失敗しますか", "reason"),
        ("มีกี่คน", "number"),
    ],
)
def test_the_words_of_a_question_tell_the_type_of_its_answer(question: str, wanted: AnswerType) -> None:
    assert answer_type(question) == wanted


@pytest.mark.parametrize(
    ("kind", "better", "worse"),
    [
        ("time", "It opened in May 1974.", "It opened after the war."),
        ("time", "It opened after the war.", "It opened in London."),
        ("number", "There are 40 of them.", "There are several of them."),
        ("number", "There are several of them.", "They are red."),
        ("name", "It was built by Ada Lovelace.", "It was built by workers."),
        ("place", "It stands in New York.", "It stands on a hill."),
        ("reason", "It fails because the disk is full.", "It fails at night."),
        ("procedure", "Run `scripts/run` to start it.", "It starts quickly."),
        ("definition", "A passage is a piece of a document.", "The size of a passage is limited."),
        ("definition", "WAL stands for write-ahead log.", "In WAL mode readers go on."),
    ],
)
def test_a_sentence_with_the_form_of_the_answer_offers_more(kind: AnswerType, better: str, worse: str) -> None:
    asked = tuple(terms("passage WAL"))
    assert offers(kind, better, asked) > offers(kind, worse, asked)


def test_the_names_that_were_asked_about_are_no_answer_to_who() -> None:
    assert offers("name", "In Rome the bridge of Nero fell.", terms("Rome Nero")) == 0


def test_courtesies_and_function_words_are_no_terms() -> None:
    question = understand("Hello, could you please tell me how I start the service?")
    assert [asked.term for asked in question.terms] == terms("start service")
    assert question.kind == understand("how I start the service?").kind


@pytest.mark.parametrize(
    "message",
    ["summarise the default port", "tl;dr of the default port", "Please give me an overview of the default port"],
)
def test_the_task_in_a_message_is_no_term(message: str) -> None:
    assert [asked.term for asked in understand(message).terms] == terms("default port")


def test_two_questions_in_a_message_are_told_apart() -> None:
    one, other = understand("What is the default port, and how do I change it?").parts
    assert (one.text, one.kind, other.kind) == ("What is the default port", "definition", "procedure")
    assert {asked.term for asked in other.terms + other.inherited} == set(terms("default port change"))
    assert understand("What is the difference between ports and sockets?").parts == ()


def test_names_numbers_and_identifiers_are_told_apart() -> None:
    question = understand("Does kb_agent 2.0 run on Windows with the llama.cpp server?")
    assert question.names == {"kbagent", "2.0", "window", "llamacpp"}


@pytest.mark.parametrize(
    "message",
    [
        "and how do I change that?",
        "why?",
        "How many?",
        "what about Kubernetes?",
        "can I make it larger?",
        "tell me more",
    ],
)
def test_a_message_that_points_back_depends_on_the_conversation(message: str) -> None:
    assert depends(message)


@pytest.mark.parametrize(
    "message",
    ["default port", "Is there an Android app?", "largest file that gets indexed", "Who founded Warsaw?"],
)
def test_a_message_that_stands_alone_does_not(message: str) -> None:
    assert not depends(message)


def test_a_follow_up_inherits_the_words_of_the_question_before() -> None:
    question = understand("and how do I change that?", (LLAMA, EVENTS))
    assert [asked.term for asked in question.inherited] == terms("events kept resuming")
    assert question.query == "change events kept resuming"
    assert question.kind == "procedure"


def test_a_chain_of_follow_ups_reaches_back_to_where_it_began() -> None:
    chain = (EVENTS, Exchange("and how do I change that?", "Set EVENT_RETENTION_DAYS."))
    assert set(terms("events kept resuming")) <= {asked.term for asked in understand("why?", chain).terms}


def test_a_new_name_takes_the_place_of_the_one_before() -> None:
    question = understand("and with vLLM?", (LLAMA,))
    assert "llama.cpp" not in question.query
    assert "connect" in question.query


def test_more_asks_again_for_what_was_asked() -> None:
    question = understand("tell me more", (EVENTS,))
    assert question.more
    assert [asked.term for asked in question.terms] == terms("events kept resuming")


def test_a_question_that_stands_alone_inherits_nothing() -> None:
    question = understand("default port", (EVENTS,))
    assert question.inherited == ()
    assert question.query == "default port"


def test_without_a_conversation_a_follow_up_is_an_ordinary_question() -> None:
    assert understand("and how do I change that?").inherited == ()


def test_a_very_long_question_keeps_a_bounded_number_of_terms() -> None:
    assert len(understand("word " * 5000).terms) <= 60


def test_measures_after_how_are_question_words() -> None:
    assert content_words("how long are events kept") == ["events", "kept"]
