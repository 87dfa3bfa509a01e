"""The search over chats: by words of their titles and messages, in any script."""

import pytest

from tests.chats.conftest import Chats


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lighthouse", ["one"]),
        ("LIGHT", ["one"]),
        ("café port", ["one"]),
        ("cafe", ["one"]),
        ("two", ["two"]),
        ("lighthouse zeppelin", []),
        ('"', []),
        ("NEAR(a b)", []),
        ("title:one", []),
        ("  ", ["two", "one"]),
    ],
)
async def test_chats_are_found_by_the_words_of_titles_and_messages(
    chats: Chats, words: str, found: list[str]
) -> None:
    for title, question in (("one", "Which port has the lighthouse café?"), ("two", "Who keeps it?")):
        chat = await chats.store.create("ann", title, {})
        await chats.questions.post("ann", chat.id, question, "m")
    await chats.store.create("bob", "lighthouse two café", {})
    assert [chat.title for chat in (await chats.store.page("ann", 10, words=words)).items] == found


@pytest.mark.parametrize(
    ("language", "text", "found", "missed"),
    [
        (
            "zh",
            "服务默认监听哪个端口8123？",
            ["端口", "监听 端口", "端", "端口8", '"端口', "（端口）"],
            ["口端", "端口 灯塔"],
        ),
        ("ja", "サービスのポート番号は何ですか", ["ポート", "番号", "ポート番"], ["ートポ"]),
        ("th", "บริการใช้พอร์ตใด", ["พอร์ต", "พอร", "ใช้ บริการ"], ["พรอ", "พต"]),
        ("ko", "웹서버의 포트는 무엇입니까", ["서버", "포트"], ["버서"]),
        ("hi", "सेवा किस पोर्ट पर है", ["पोर्ट", "पो"], ["पट"]),
    ],
)
async def test_chats_are_found_by_words_of_scripts_without_spaces(
    chats: Chats, language: str, text: str, found: list[str], missed: list[str]
) -> None:
    await chats.asked("Which port has the lighthouse?")
    named = await chats.store.create("ann", text, {})
    posted = await chats.asked(f"{language}: {text}")
    for words in found:
        matching = await chats.store.page("ann", 10, words=words)
        assert [chat.id for chat in matching.items] == [posted.question.chat_id, named.id], words
    for words in missed:
        assert (await chats.store.page("ann", 10, words=words)).items == (), words
    await chats.store.update("ann", named.id, title="灯塔")
    assert named.id not in {chat.id for chat in (await chats.store.page("ann", 10, words=found[0])).items}
    assert [chat.id for chat in (await chats.store.page("ann", 10, words="灯塔")).items] == [named.id]
    check = "INSERT INTO {0} ({0}) VALUES ('integrity-check')"
    await chats.db.write(lambda tx: [tx.execute(check.format(name)) for name in ("titles_fts", "messages_fts")])


async def test_what_was_renamed_or_deleted_is_not_found_any_more(chats: Chats) -> None:
    chat = await chats.store.create("ann", "zeppelin", {})
    await chats.store.update("ann", chat.id, title="balloon")
    assert (await chats.store.page("ann", 10, words="zeppelin")).items == ()
    posted = await chats.asked("unmistakable")
    await chats.store.delete("ann", posted.question.chat_id)
    assert (await chats.store.page("ann", 10, words="unmistakable")).items == ()
    check = "INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check')"
    await chats.db.write(lambda tx: tx.execute(check))
