-- The index of the knowledge folder: a cache of the files, which may be cleared and rebuilt at any time.

-- A version of a file. `live` is 1 for the version that is served; 0 while it is being written or waits to be
-- purged. The stat columns are the fingerprint of the file the version was read from.
CREATE TABLE documents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    live        INTEGER NOT NULL DEFAULT 0,
    title       TEXT NOT NULL,
    topic       TEXT NOT NULL,
    description TEXT NOT NULL,
    tags        TEXT NOT NULL,
    aliases     TEXT NOT NULL,
    warnings    TEXT NOT NULL,
    revision    TEXT NOT NULL,
    lines       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    dev         INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    ctime_ns    INTEGER NOT NULL,
    indexed_at  TEXT NOT NULL
);

CREATE UNIQUE INDEX live_documents ON documents (name) WHERE live = 1;
CREATE INDEX documents_of_topic ON documents (topic, name) WHERE live = 1;
CREATE INDEX dead_documents ON documents (id) WHERE live = 0;
CREATE INDEX documents_by_revision ON documents (revision) WHERE live = 1;

-- The whole text in blocks of whole lines, for reads by line range: reading never touches the folder.
CREATE TABLE blocks (
    id          INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    start_line  INTEGER NOT NULL,
    text        TEXT NOT NULL
);

CREATE UNIQUE INDEX blocks_of_document ON blocks (document_id, start_line);

CREATE TABLE passages (
    id          INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    ordinal     INTEGER NOT NULL,
    heading     TEXT NOT NULL,
    start_line  INTEGER NOT NULL,
    end_line    INTEGER NOT NULL,
    text        TEXT NOT NULL
);

CREATE UNIQUE INDEX passages_of_document ON passages (document_id, ordinal);

-- What each passage is found by, as it stands in the full-text index: what ranking reads, and what a contentless
-- index must be told again to forget a row. `forms` tells words apart that share a term; `length` counts terms.
CREATE TABLE passage_terms (
    passage_id  INTEGER PRIMARY KEY REFERENCES passages (id),
    document_id INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    terms       TEXT NOT NULL,
    forms       TEXT NOT NULL
);

-- The terms are folded and cut before they come here, so the tokenizer has only to part them at the spaces:
-- `ascii` keeps every character of other scripts, where unicode61 would drop their combining marks. Lengths of
-- rows are left out: bm25() would look each one up, which makes it four times slower, and ranking knows them.
CREATE VIRTUAL TABLE passages_fts USING fts5 (
    terms,
    content = '',
    columnsize = 0,
    tokenize = "ascii tokenchars '_.-+#/:'"
);

CREATE VIRTUAL TABLE passages_vocab USING fts5vocab ('passages_fts', 'row');

-- Files in the folder that are not indexed, and why.
CREATE TABLE skipped_files (
    name   TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) WITHOUT ROWID;

-- revision: goes up by one a change; version: of analysis and layout the rows were made with; passages, terms:
-- how many there are in all, for the ranking.
CREATE TABLE kb_meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
