-- What answers cite, as it was then: kept as long as an answer cites it, whatever becomes of the file.

-- A document of one revision, or the lines around what was cited where the whole was not to be had or is too
-- large. `digest` tells equal rows: answers that cite the same share one. `body` is UTF-8, compressed by zlib.
CREATE TABLE kept_texts (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    revision   TEXT NOT NULL,
    start_line INTEGER NOT NULL,
    end_line   INTEGER NOT NULL,
    whole      INTEGER NOT NULL,
    body       BLOB NOT NULL
);

CREATE INDEX kept_texts_of_revision ON kept_texts (revision);

-- Which answer cites it, and as which document.
CREATE TABLE cited_texts (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    text_id    INTEGER NOT NULL REFERENCES kept_texts (id),
    document   TEXT NOT NULL,
    title      TEXT NOT NULL,
    topic      TEXT NOT NULL,
    PRIMARY KEY (message_id, text_id, document)
) WITHOUT ROWID;

CREATE INDEX cited_texts_by_text ON cited_texts (text_id);

-- With the last answer that cites it a text is gone too, in the same transaction.
CREATE TRIGGER text_not_cited_any_more AFTER DELETE ON cited_texts
WHEN NOT EXISTS (SELECT 1 FROM cited_texts WHERE text_id = old.text_id) BEGIN
    DELETE FROM kept_texts WHERE id = old.text_id;
END;
