"""Search over a real index: the ladder, ranking, topics, excerpts."""

import pytest

from service.kb import rows
from service.kb.search import KnowledgeBase, SearchResult
from tests.kb.shelf import add, fill, opened, shelf

GUIDES = {
    "guides/streams.md": "# Streams\n\nA stream is resumed with Last-Event-ID after a disconnect.\n\n"
    "## Errors\n\nThe code ERR_CONN_RESET means that the peer is gone.\n",
    "guides/rollout.md": "# Rolling updates\n\nA rolling update replaces pods; max_surge bounds the extra pods.\n"
    "Set kubeApiServer flags with care. Needs v1.29.3 or newer.\n",
    "ops/backup.md": "---\ntitle: Backups\ntags: [restore, disaster]\naliases: [snapshot]\n"
    "description: Keeping copies of the database\n---\nCopy the database file with the backup command.\n",
    "ops/pets.txt": "The zebra and the paste shop. The zebra eats grass.\n",
    "zh/panthers.md": "黑豹队的防守只丢了308分，在联赛中排名第六。\n",
    "th/score.md": "ทีมรับของแพนเธอร์สเสียไปเพียง 308 คะแนน\n",
}


def names(result: SearchResult) -> list[str]:
    return [hit.document for hit in result.hits]


class TestLadder:
    async def test_words_find_the_best_passage_of_each_document(self) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search("how do I resume a stream?")

            assert (result.step, result.revision) == ("terms", 1)
            assert names(result) == ["guides/streams.md"]
            hit = result.hits[0]
            assert (hit.title, hit.topic, hit.heading) == ("Streams", "guides", "Streams")
            assert (hit.start_line, hit.end_line) == (1, 3)
            assert hit.text.startswith("# Streams")
            assert hit.score > 0

    @pytest.mark.parametrize(
        ("question", "document"),
        [
            ("what does ERR_CONN_RESET mean", "guides/streams.md"),
            ("max_surge", "guides/rollout.md"),
            ("kubeApiServer flags", "guides/rollout.md"),
            ("v1.29.3", "guides/rollout.md"),
            ("backup.md", "ops/backup.md"),
            ("what is in ops/pets.txt", "ops/pets.txt"),
        ],
    )
    async def test_identifiers_and_file_names_match_exactly(self, question: str, document: str) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search(question)

            assert result.step == "identifier"
            assert names(result)[0] == document

    async def test_a_file_comes_before_those_that_mention_it(self) -> None:
        texts = {f"n{i}.md": "See resume.md and again resume.md for more on resume.md." for i in range(5)}
        async with shelf({**texts, "deep/resume.md": "How it goes on.\n"}) as kb:
            assert names(await kb.search("resume.md"))[0] == "deep/resume.md"

    @pytest.mark.parametrize(
        ("question", "near", "document"),
        [
            ("zebar", "zebra", "ops/pets.txt"),
            ("disconect", "disconnect", "guides/streams.md"),
            ("rplaces", "replaces", "guides/rollout.md"),
            ("datab", "database", "ops/backup.md"),
        ],
    )
    async def test_a_typing_mistake_is_undone_where_no_word_is_known(
        self, question: str, near: str, document: str
    ) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search(question)

            assert (result.step, result.near_terms) == ("near", (near,))
            assert names(result) == [document]

    async def test_a_known_word_makes_near_ones_unnecessary(self) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search("zebar backup")

            assert (result.step, names(result)) == ("terms", ["ops/backup.md"])

    @pytest.mark.parametrize(
        ("question", "near"), [("discography", ()), ("disconektion", ()), ("databeze", ("database",))]
    )
    async def test_words_with_two_mistakes_are_hinted_at_and_others_are_not(
        self, question: str, near: tuple[str, ...]
    ) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search(question)

            assert (result.step, result.hits, result.near_terms) == ("none", (), near)

    @pytest.mark.parametrize("question", ["plant", "planet", "plain", "blan", "xplanning"])
    async def test_words_that_are_not_one_mistake_away_find_nothing(self, question: str) -> None:
        async with shelf({"a.md": "Planning is what they planned."}) as kb:
            assert (await kb.search(question)).step == "none"

    async def test_one_near_word_among_several_unknown_ones_is_only_a_hint(self) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search("zebar mozart trombone")

            assert (result.step, result.hits, result.near_terms) == ("none", (), ("zebra",))

    async def test_words_known_only_outside_the_topic_are_told(self) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search("zebra", topic="guides")

            assert (result.step, result.hits, result.near_terms) == ("none", (), ("zebra",))

    async def test_an_empty_index_finds_nothing(self) -> None:
        async with shelf({}) as kb:
            result = await kb.search("anything at all")

            assert (result.step, result.hits, result.near_terms) == ("none", (), ())

    @pytest.mark.parametrize("question", ["", "   ", "?!", "\0"])
    async def test_no_words_find_nothing(self, question: str) -> None:
        async with shelf(GUIDES) as kb:
            assert (await kb.search(question)).step == "none"

    async def test_words_of_grammar_are_searched_where_there_are_no_others(self) -> None:
        async with shelf(GUIDES) as kb:
            assert "ops/pets.txt" in names(await kb.search("and the"))

    @pytest.mark.parametrize(
        ("question", "document"),
        [
            ("黑豹队丢了多少分？", "zh/panthers.md"),
            ("แพนเธอร์สเสียกี่คะแนน", "th/score.md"),
            ("308", "zh/panthers.md"),
        ],
    )
    async def test_scripts_without_spaces_are_found(self, question: str, document: str) -> None:
        async with shelf(GUIDES) as kb:
            assert document in names(await kb.search(question))

    @pytest.mark.parametrize("question", ["restore", "disaster", "snapshot", "copies", "backup", "ops"])
    async def test_front_matter_and_the_path_make_a_document_found(self, question: str) -> None:
        async with shelf(GUIDES) as kb:
            assert "ops/backup.md" in names(await kb.search(question))


class TestRanking:
    async def test_titles_and_headings_weigh_more_than_text(self) -> None:
        texts = {
            "text.md": "# Other things\n\nHere the lantern is named once among more words.\n",
            "head.md": "# Other matters\n\n## Lantern\n\nHere something is named among more words.\n",
        }
        async with shelf(texts) as kb:
            assert names(await kb.search("lantern")) == ["head.md", "text.md"]

    async def test_rare_words_weigh_more_than_frequent_ones(self) -> None:
        texts = {f"{n}.md": "common words everywhere" for n in range(20)} | {"rare.md": "one quokka here"}
        async with shelf(texts) as kb:
            assert names(await kb.search("common quokka"))[0] == "rare.md"

    async def test_the_same_form_comes_before_other_forms(self) -> None:
        async with shelf(
            {"tom.md": "They were organised.", "tim.md": "The organisation.", "tam.md": "To organise."}
        ) as kb:
            for form, document in [("organised", "tom.md"), ("organisation", "tim.md"), ("organise", "tam.md")]:
                result = await kb.search(form)
                assert names(result)[0] == document
                assert len(result.hits) == 3

    async def test_repeated_words_of_the_question_count_more(self) -> None:
        texts = {"a.md": "apples in a bowl", "b.md": "pears in a bowl"}
        async with shelf(texts) as kb:
            assert names(await kb.search("apples pears pears"))[0] == "b.md"
            assert names(await kb.search("apples apples pears"))[0] == "a.md"

    async def test_at_most_so_many_documents_are_returned_each_once(self) -> None:
        texts = {f"{n:02}.md": "## A\n\nlantern\n\n## B\n\nlantern\n" for n in range(30)}
        async with shelf(texts) as kb:
            for limit in (1, 8, 50):
                found = names(await kb.search("lantern", limit=limit))
                assert len(found) == len(set(found)) == min(limit, 30)

    async def test_an_index_built_again_in_another_order_answers_the_same(self) -> None:
        texts: dict[str, str | bytes] = {f"{n}.md": f"lantern {'light ' * (n % 3)} note {n}" for n in range(60)}
        async with opened() as db:
            kb = KnowledgeBase(db, search_timeout=60)
            await fill(db, texts)
            first = [await kb.search(q, limit=50) for q in ("lantern", "light note 7", "note")]
            await fill(db, dict(reversed(texts.items())))
            for n in range(0, 60, 7):
                await add(db, f"{n}.md", texts[f"{n}.md"])
            while await db.write(rows.purge):
                pass
            again = [await kb.search(q, limit=50) for q in ("lantern", "light note 7", "note")]

        assert [r.hits for r in first] == [r.hits for r in again]

    async def test_terms_in_every_passage_still_rank(self) -> None:
        texts = {f"{n}.md": f"alpha beta {'gamma' if n == 999 else 'delta'}" for n in range(3_000)}
        async with shelf(texts) as kb:
            result = await kb.search("alpha beta gamma", limit=5)

            assert names(result)[0] == "999.md"
            assert len(result.hits) == 5

    async def test_frequent_words_that_never_meet_are_found_one_by_one(self) -> None:
        texts = {f"{n}.md": "alpha" if n % 2 else "beta" for n in range(5_000)}
        async with shelf(texts) as kb:
            assert len((await kb.search("alpha beta", limit=8)).hits) == 8


class TestTopics:
    async def test_a_topic_narrows_the_search(self) -> None:
        texts = {f"{topic}/{n}.md": "lantern" for topic in ("a", "b b", "ä'\"") for n in range(200)}
        async with shelf(texts) as kb:
            for topic in ("a", "b b", "ä'\""):
                assert {hit.topic for hit in (await kb.search("lantern", topic=topic)).hits} == {topic}
            assert (await kb.search("lantern", topic="A")).hits == ()


class TestFreshness:
    async def test_a_new_version_replaces_the_old_one_at_once(self) -> None:
        async with opened() as db:
            kb = KnowledgeBase(db, search_timeout=60)
            await fill(db, {"a.md": "the lantern"})
            await add(db, "a.md", "the candle")

            assert names(await kb.search("lantern")) == []
            assert names(await kb.search("candle")) == ["a.md"]

    async def test_a_deleted_document_is_gone_before_its_rows_are(self) -> None:
        async with opened() as db:
            kb = KnowledgeBase(db, search_timeout=60)
            await fill(db, {"a.md": "the lantern", "b.md": "a lantern"})
            await db.write(lambda tx: rows.delete_document(tx, "a.md"))

            assert names(await kb.search("lantern")) == ["b.md"]

    async def test_a_word_unknown_before_is_found_after_a_change(self) -> None:
        async with opened() as db:
            kb = KnowledgeBase(db, search_timeout=60)
            await fill(db, {"a.md": "the lantern"})
            assert names(await kb.search("quokka")) == []
            await add(db, "b.md", "the quokka")

            assert names(await kb.search("quokka")) == ["b.md"]


class TestExcerpts:
    async def test_an_excerpt_shows_the_place_and_marks_the_words(self) -> None:
        filler = "Nothing to see in this sentence here. " * 20
        async with shelf({"a.md": f"{filler}Finally the lanterns are lit by Lantern keepers.\n{filler}"}) as kb:
            hit = (await kb.search("lantern keeper")).hits[0]

        assert hit.excerpt in hit.text
        assert len(hit.excerpt) <= 320
        assert [hit.excerpt[a:b] for a, b in hit.highlights] == ["lanterns", "Lantern", "keepers"]

    async def test_who_wants_no_excerpts_finds_the_same_without(self) -> None:
        async with shelf({"a.md": "The lanterns are lit.", "b.md": "A lantern keeper."}) as kb:
            found, bare = await kb.search("lantern keeper"), await kb.search("lantern keeper", cut=False)

        assert [(hit.score, hit.text) for hit in bare.hits] == [(hit.score, hit.text) for hit in found.hits]
        assert {(hit.excerpt, hit.highlights) for hit in bare.hits} == {("", ())}

    async def test_pieces_of_a_run_are_marked_together(self) -> None:
        async with shelf({"a.md": "黑豹队的防守只丢了308分。"}) as kb:
            hit = (await kb.search("防守丢了")).hits[0]

        assert [hit.excerpt[a:b] for a, b in hit.highlights] == ["防守", "丢了"]


class TestExplanation:
    @pytest.mark.parametrize(
        "question", ["how do I resume a stream", "max_surge resume.md", "zebar", "黑豹队丢了多少分"]
    )
    async def test_the_parts_of_a_score_sum_to_it(self, question: str) -> None:
        async with shelf(GUIDES) as kb:
            result = await kb.search(question, explain=True)

        assert result.hits
        for hit in result.hits:
            parts = hit.score_parts or ()
            assert sum(part.score for part in parts) == pytest.approx(hit.score, abs=1e-3)
            for part in parts:
                bonuses = 1 + part.stem_bonus + part.form_bonus + part.identifier_bonus
                assert part.weight * part.saturation * bonuses == pytest.approx(part.score)

    async def test_what_was_not_asked_to_be_explained_is_not(self) -> None:
        async with shelf(GUIDES) as kb:
            assert {hit.score_parts for hit in (await kb.search("stream")).hits} == {None}

    async def test_a_part_tells_the_word_its_rarity_and_how_often_it_occurs(self) -> None:
        texts = {"a.md": "# Notes\n\nlantern lantern, lantern and lantern\n", "b.md": "# Lantern\n\nnothing\n"}
        async with shelf(texts) as kb:
            hits = (await kb.search("lantern quokka", explain=True)).hits

        parts = {h.document: [(p.word, p.passages, p.occurrences) for p in h.score_parts or ()] for h in hits}
        assert parts == {"a.md": [("lantern", 2, 4)], "b.md": [("lantern", 2, 3)]}
