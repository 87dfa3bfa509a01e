-- What the knowledge base could not answer: questions, grouped by the terms they have in common.

-- `id` is made of the terms; `checked` is the revision of the index that was last found not to answer it.
CREATE TABLE gaps (
    id          TEXT PRIMARY KEY,
    checked     INTEGER NOT NULL,
    resolved_at TEXT,
    resolved_by TEXT
) WITHOUT ROWID;

CREATE INDEX open_gaps ON gaps (checked) WHERE resolved_at IS NULL;

-- All that came of a question stands in its row and falls with its chat. `query` is what it asks, what was said
-- before taken into account; `seen` are the revisions of the documents that its turn was given.
CREATE TABLE gap_questions (
    question_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    gap_id      TEXT NOT NULL REFERENCES gaps (id),
    query       TEXT NOT NULL,
    terms       TEXT NOT NULL,
    near_terms  TEXT NOT NULL,
    seen        TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX questions_of_gap ON gap_questions (gap_id);

CREATE TRIGGER gap_without_questions AFTER DELETE ON gap_questions
WHEN NOT EXISTS (SELECT 1 FROM gap_questions WHERE gap_id = old.gap_id) BEGIN
    DELETE FROM gaps WHERE id = old.gap_id;
END;
