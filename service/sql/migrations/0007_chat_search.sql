-- The search over chats in scripts without spaces: each of their characters is a word, see `service/spacing.py`.
-- Marks belong to words: without them Thai and Hindi fall apart.

DROP TRIGGER title_added;
DROP TRIGGER title_changed;
DROP TRIGGER title_deleted;
DROP TABLE titles_fts;

CREATE VIRTUAL TABLE titles_fts USING fts5 (
    title, content = 'chats', content_rowid = 'seq',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);

INSERT INTO titles_fts (rowid, title) SELECT seq, spaced(title) FROM chats;

CREATE TRIGGER title_added AFTER INSERT ON chats BEGIN
    INSERT INTO titles_fts (rowid, title) VALUES (new.seq, spaced(new.title));
END;

CREATE TRIGGER title_changed AFTER UPDATE OF title ON chats BEGIN
    INSERT INTO titles_fts (titles_fts, rowid, title) VALUES ('delete', old.seq, spaced(old.title));
    INSERT INTO titles_fts (rowid, title) VALUES (new.seq, spaced(new.title));
END;

CREATE TRIGGER title_deleted AFTER DELETE ON chats BEGIN
    INSERT INTO titles_fts (titles_fts, rowid, title) VALUES ('delete', old.seq, spaced(old.title));
END;

DROP TRIGGER message_added;
DROP TRIGGER message_changed;
DROP TRIGGER message_deleted;
DROP TABLE messages_fts;

CREATE VIRTUAL TABLE messages_fts USING fts5 (
    content, content = 'messages', content_rowid = 'seq',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);

INSERT INTO messages_fts (rowid, content) SELECT seq, spaced(content) FROM messages;

CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO messages_fts (rowid, content) VALUES (new.seq, spaced(new.content));
END;

CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.seq, spaced(old.content));
    INSERT INTO messages_fts (rowid, content) VALUES (new.seq, spaced(new.content));
END;

CREATE TRIGGER message_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.seq, spaced(old.content));
END;
