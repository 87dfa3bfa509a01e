-- Chats, their messages, the turns that write the answers, the event log, idempotency records.
-- Times are ISO 8601 in UTC with milliseconds, for display; order comes from the integer keys.

CREATE TABLE chats (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    title      TEXT,
    metadata   TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE INDEX chats_by_owner ON chats (owner, seq);

CREATE TABLE messages (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT NOT NULL UNIQUE,
    chat_id           TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    role              TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    status            TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    outcome           TEXT,
    content           TEXT NOT NULL DEFAULT '',
    citations         TEXT NOT NULL DEFAULT '[]',
    citations_dropped INTEGER NOT NULL DEFAULT 0,
    prompt_tokens     INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    llm_calls         INTEGER NOT NULL DEFAULT 0,
    model             TEXT,
    error             TEXT,
    kb_revision       INTEGER,
    supersedes        TEXT,
    superseded_by     TEXT,
    rating            TEXT CHECK (rating IN ('up', 'down')),
    comment           TEXT,
    created_at        TEXT NOT NULL,
    completed_at      TEXT
);

CREATE INDEX messages_of_chat ON messages (chat_id, seq);

-- The rule "one running turn a chat" is the database's.
CREATE UNIQUE INDEX one_running_turn ON messages (chat_id) WHERE status IN ('queued', 'running');

-- A turn writes one assistant message and shares its id. `attempt` fences: only the newest attempt may write.
CREATE TABLE turns (
    id          TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    chat_id     TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    question_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL DEFAULT 0,
    started_at  TEXT
) WITHOUT ROWID;

CREATE INDEX turns_of_chat ON turns (chat_id);
CREATE INDEX turns_of_question ON turns (question_id);

-- What a turn did: `wire` is the message the step added to the transcript, in the chat-completions form;
-- `sources` are the passages that a tool returned, so that a resumed attempt can cite them.
CREATE TABLE steps (
    turn_id     TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('model', 'tool')),
    wire        TEXT NOT NULL,
    sources     TEXT NOT NULL DEFAULT '[]',
    name        TEXT,
    arguments   TEXT,
    hits        INTEGER,
    error       TEXT,
    duration_ms REAL NOT NULL,
    made_by     TEXT NOT NULL DEFAULT 'model' CHECK (made_by IN ('model', 'service')),
    PRIMARY KEY (turn_id, number)
) WITHOUT ROWID;

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT,
    chat_id    TEXT,
    turn_id    TEXT,
    type       TEXT NOT NULL,
    data       TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE INDEX events_of_chat ON events (chat_id, id);
CREATE INDEX events_by_age ON events (created_at);

CREATE TABLE idempotency (
    owner       TEXT NOT NULL,
    route       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    chat_id     TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    message_id  TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (owner, route, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_of_chat ON idempotency (chat_id);
CREATE INDEX idempotency_of_message ON idempotency (message_id);

-- Searching chats: the text stays in its own tables, the triggers keep the indexes true.

CREATE VIRTUAL TABLE titles_fts USING fts5 (
    title, content = 'chats', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER title_added AFTER INSERT ON chats BEGIN
    INSERT INTO titles_fts (rowid, title) VALUES (new.seq, new.title);
END;

CREATE TRIGGER title_changed AFTER UPDATE OF title ON chats BEGIN
    INSERT INTO titles_fts (titles_fts, rowid, title) VALUES ('delete', old.seq, old.title);
    INSERT INTO titles_fts (rowid, title) VALUES (new.seq, new.title);
END;

CREATE TRIGGER title_deleted AFTER DELETE ON chats BEGIN
    INSERT INTO titles_fts (titles_fts, rowid, title) VALUES ('delete', old.seq, old.title);
END;

CREATE VIRTUAL TABLE messages_fts USING fts5 (
    content, content = 'messages', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO messages_fts (rowid, content) VALUES (new.seq, new.content);
END;

CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.seq, old.content);
    INSERT INTO messages_fts (rowid, content) VALUES (new.seq, new.content);
END;

CREATE TRIGGER message_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.seq, old.content);
END;
