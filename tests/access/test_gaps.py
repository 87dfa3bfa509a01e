"""What could not be answered is shown to whoever asked it, and to an admin."""

from tests.access.conftest import Keyring
from tests.server import eventually


def test_a_key_sees_the_gaps_of_its_own_questions_and_an_admin_those_of_all(keyring: Keyring) -> None:
    def questions(key: str) -> list[tuple[str, int]]:
        with keyring.client(key) as client:
            items = client.get("/api/kb/gaps", params={"state": "all"}).json()["items"]
        return sorted((gap["question"], gap["count"]) for gap in items)

    ann, bob = keyring.make("gaps-ann"), keyring.make("gaps-bob")
    asked = {ann: "What does a zeppelin weigh?", bob: "Who painted the submarine?"}
    for key, question in asked.items():
        with keyring.client(key) as client:
            chat = client.post("/api/chats", json={}).json()["id"]
            answer = client.post(f"/api/chats/{chat}/messages", json={"content": question}).json()
            assert answer["outcome"] == "not_in_kb"

    assert questions(ann) == [(asked[ann], 1)]
    assert questions(bob) == [(asked[bob], 1)]
    boss = keyring.make("gaps-boss", "kb", "admin")
    eventually(lambda: set(questions(boss)) >= {(question, 1) for question in asked.values()})
