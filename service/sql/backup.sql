-- Copies of the whole database, and what they hold.

-- name: copy
-- Write everything that is committed by now into a new file, without the space of what was deleted.
VACUUM INTO ?;

-- name: counts
-- What people would miss: chats, messages, and the documents that are indexed.
SELECT
    (SELECT count(*) FROM chats),
    (SELECT count(*) FROM messages),
    (SELECT count(*) FROM documents WHERE live = 1);

-- name: skip_events
-- Give no number again that an event after the copy may have had, so that whoever resumes from one is told.
UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name = 'events';
