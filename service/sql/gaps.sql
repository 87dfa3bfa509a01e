-- Questions that the knowledge base could not answer.

-- name: forget_question
-- A question was asked again: what came of it before counts no more.
DELETE FROM gap_questions WHERE question_id = :question_id;

-- name: open_gap
-- Something could not be answered, maybe for the first time.
INSERT INTO gaps (id, checked) VALUES (:id, :revision)
ON CONFLICT (id) DO UPDATE SET checked = excluded.checked, resolved_at = NULL, resolved_by = NULL;

-- name: insert_question
-- Which question that was.
INSERT INTO gap_questions (question_id, gap_id, query, terms, near_terms, seen)
VALUES (:question_id, :id, :query, :terms, :near_terms, :seen);

-- name: resolve
-- It can be answered now, from a document.
UPDATE gaps SET resolved_at = :now, resolved_by = :document, checked = :revision
WHERE id = :id AND resolved_at IS NULL;

-- name: note_checked
-- It still cannot, at a revision of the index.
UPDATE gaps SET checked = :revision WHERE id = :id;

-- name: page
-- Gaps, of an owner's questions or of everyone's, those with most questions first. The rank is a single number: questions, then the newest question's place.
WITH counted AS (
    SELECT q.gap_id, count(*) AS questions, min(m.seq) AS first, max(m.seq) AS last
    FROM gap_questions q
        JOIN messages m ON m.id = q.question_id
        JOIN chats ch ON ch.id = m.chat_id
    WHERE :owner IS NULL OR ch.owner = :owner
    GROUP BY q.gap_id
)
SELECT c.questions * 1099511627776 + c.last AS rank, g.id, substr(l.content, 1, 500), q.terms, q.near_terms,
    c.questions, f.created_at, l.created_at, g.resolved_at, g.resolved_by
FROM counted c
    JOIN gaps g ON g.id = c.gap_id
    JOIN messages f ON f.seq = c.first
    JOIN messages l ON l.seq = c.last
    JOIN gap_questions q ON q.question_id = l.id
WHERE rank < :before AND (:state = 'all' OR (:state = 'open') = (g.resolved_at IS NULL))
ORDER BY rank DESC
LIMIT :limit;

-- name: unchecked
-- Open gaps that were not looked at since a revision of the index, each as its newest question put it, newest first.
SELECT g.id, q.query, q.seen, max(m.seq) AS newest
FROM gaps g JOIN gap_questions q ON q.gap_id = g.id JOIN messages m ON m.id = q.question_id
WHERE g.resolved_at IS NULL AND g.checked < :revision
GROUP BY g.id
ORDER BY newest DESC
LIMIT :limit;

-- name: count_open
-- How many gaps are open.
SELECT count(*) FROM gaps WHERE resolved_at IS NULL;
