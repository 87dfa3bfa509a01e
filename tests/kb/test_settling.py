"""When a change may be taken: rest, patience, most documents gone at once, links that switch together."""

from service.kb.rows import FileState, Indexed
from service.kb.settling import PATIENCE, Settling, Unit


def state(version: int, size: int = 10) -> FileState:
    return FileState(1, version, size, version, version)


def known(*names: str) -> dict[str, Indexed]:
    return {name: Indexed(state(0), "hash") for name in names}


def taken(units: list[Unit]) -> list[str]:
    return [change.name for unit in units for change in unit.changes]


def test_a_change_is_taken_once_it_looked_the_same_for_the_rest() -> None:
    settling = Settling(0.2)
    assert settling.differing({"a": state(1)}, 10.0) == 1
    assert settling.units(10.1, {}, {}) == []
    assert taken(settling.units(10.2, {}, {})) == ["a"]


def test_a_change_of_what_was_seen_begins_the_rest_anew() -> None:
    settling = Settling(0.2)
    settling.differing({"a": state(1)}, 10.0)
    assert settling.differing({"a": state(2)}, 10.15) == 0
    assert settling.units(10.25, {}, {}) == []
    (unit,) = settling.units(10.36, {}, {})
    assert unit.changes[0].state == state(2)
    assert not unit.changes[0].moving


def test_a_file_that_never_keeps_still_is_taken_when_patience_ends_and_holds_up_nobody() -> None:
    settling = Settling(0.2)
    settling.differing({"busy": state(0), "calm": state(1)}, 0.0)
    for tick in range(1, 50):
        moment = tick / 10
        settling.observe("busy", state(tick), moment)
        assert taken(settling.units(moment, {}, {})) == (["calm"] if tick >= 2 else [])
    settling.observe("busy", state(50), PATIENCE)
    units = settling.units(PATIENCE, {}, {})
    assert {change.name: change.moving for unit in units for change in unit.changes} == {
        "busy": True,
        "calm": False,
    }


def test_a_change_that_is_undone_is_forgotten() -> None:
    settling = Settling(0.2)
    settling.differing({"a": state(1), "b": state(1)}, 0.0)
    settling.differing({"b": state(1)}, 0.1)
    assert taken(settling.units(1.0, {}, {})) == ["b"]


def test_without_rest_a_change_is_taken_at_once_unless_its_file_is_rewritten_all_the_time() -> None:
    settling = Settling(0)
    settling.differing({"a": state(1)}, 0.0)
    assert taken(settling.units(0.0, {}, {})) == ["a"]
    settling.forget("a", 0.0)
    for tick in range(1, 9):
        settling.observe("a", state(tick + 1), tick / 10)
        assert settling.units(tick / 10, {}, {}) == []
    assert taken(settling.units(0.96, {}, {})) == ["a"]


def test_a_few_files_that_go_are_taken_at_once_and_most_of_them_a_second_later() -> None:
    names = [f"d{n}" for n in range(10)]
    settling = Settling(0.2)
    settling.differing(dict.fromkeys(names[:5]), 0.0)
    assert len(settling.units(0.2, known(*names), {})) == 5
    settling.differing(dict.fromkeys(names[:6]), 0.3)
    assert settling.units(0.6, known(*names), {}) == []
    assert len(settling.units(1.3, known(*names), {})) == 6


def test_four_documents_that_go_need_no_second_look() -> None:
    settling = Settling(0.2)
    settling.differing(dict.fromkeys("abcd"), 0.0)
    assert len(settling.units(0.2, known(*"abcd"), {})) == 4


def test_patience_does_not_remove_a_file_that_comes_and_goes() -> None:
    settling = Settling(0.2)
    for tick in range(80):
        settling.observe("a", None if tick % 2 else state(tick), tick / 10)
    assert settling.units(7.9, known("a"), {}) == []


def test_links_of_a_folder_are_taken_together_or_not_at_all() -> None:
    links = dict.fromkeys(("c/a", "c/b", "c/same"), "c")
    settling = Settling(0.2)
    settling.differing({"c/a": state(1), "plain": state(1)}, 0.0)
    settling.differing({"c/a": state(1), "c/b": state(1), "plain": state(1)}, 0.1)
    assert taken(settling.units(0.2, known("c/same"), links)) == ["plain"]
    units = settling.units(0.31, known("c/same"), links)
    (together,) = [unit for unit in units if len(unit.changes) == 2]
    assert {change.name for change in together.changes} == {"c/a", "c/b"}
    assert together.unchanged == (("c/same", state(0)),)


def test_very_many_links_of_a_folder_are_taken_one_by_one() -> None:
    links = {f"c/{n}": "c" for n in range(300)}
    settling = Settling(0)
    settling.differing({name: state(1) for name in links}, 0.0)
    assert len(settling.units(0.0, {}, links)) == 300


def test_the_latest_change_goes_first() -> None:
    settling = Settling(0)
    settling.differing({"old": state(1), "new": state(3), "middle": state(2), "gone": None}, 0.0)
    assert taken(settling.units(0.0, known("gone"), {})) == ["new", "middle", "old", "gone"]


def test_the_outlook_tells_how_long_the_oldest_waits_and_when_to_look_again() -> None:
    settling = Settling(0.2)
    assert settling.outlook(0.0, 0) == (None, None)
    settling.differing({"a": state(1)}, 5.0)
    settling.observe("b", state(1), 5.1)
    oldest, again = settling.outlook(5.1, 0)
    assert oldest == 5.0
    assert again is not None
    assert abs(again - 0.1) < 1e-9
