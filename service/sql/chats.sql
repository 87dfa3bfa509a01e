-- Chats and lists of their messages. Every statement that a caller can reach names the owner.

-- name: insert_chat
-- Make a chat.
INSERT INTO chats (id, owner, title, metadata, created_at, updated_at) VALUES (:id, :owner, :title, :metadata, :now, :now);

-- name: chats_page
-- An owner's chats, newest first, from a key on.
SELECT seq, id, title, metadata, created_at, updated_at FROM chats
WHERE owner = :owner AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: update_chat
-- Give a chat a title and metadata.
UPDATE chats SET title = :title, metadata = :metadata, updated_at = :now WHERE id = :id AND owner = :owner;

-- name: delete_chat
-- Delete a chat; messages, turns, steps and idempotency records go with it.
DELETE FROM chats WHERE id = :id AND owner = :owner;

-- name: delete_chat_events
-- Delete what the log tells of a chat.
DELETE FROM events WHERE chat_id = :id AND owner = :owner;

-- name: merge_messages
-- Rewrite some pages of the index over messages without what was deleted.
INSERT INTO messages_fts (messages_fts, rank) VALUES ('merge', ?);

-- name: merge_titles
-- The same of the index over titles.
INSERT INTO titles_fts (titles_fts, rank) VALUES ('merge', ?);

-- name: total_changes
-- Rows that this connection has changed so far.
SELECT total_changes();

-- name: messages_ascending
-- A chat's messages, oldest first, from a key on.
SELECT seq, id, chat_id, role, status, outcome, content, citations, citations_dropped,
    prompt_tokens, completion_tokens, llm_calls, model, error, kb_revision,
    supersedes, superseded_by, rating, comment, created_at, completed_at
FROM messages
WHERE chat_id = (SELECT id FROM chats WHERE id = :chat_id AND owner = :owner) AND seq > :after ORDER BY seq LIMIT :limit;

-- name: messages_descending
-- A chat's messages, newest first, from a key on.
SELECT seq, id, chat_id, role, status, outcome, content, citations, citations_dropped,
    prompt_tokens, completion_tokens, llm_calls, model, error, kb_revision,
    supersedes, superseded_by, rating, comment, created_at, completed_at
FROM messages
WHERE chat_id = (SELECT id FROM chats WHERE id = :chat_id AND owner = :owner) AND seq < :after ORDER BY seq DESC LIMIT :limit;

-- name: chats_found
-- An owner's chats whose title or messages match, newest first, from a key on.
SELECT seq, id, title, metadata, created_at, updated_at FROM chats
WHERE owner = :owner AND seq < :before AND (
    seq IN (SELECT rowid FROM titles_fts WHERE titles_fts MATCH :match)
    OR id IN (
        SELECT m.chat_id FROM messages_fts f JOIN messages m ON m.seq = f.rowid WHERE messages_fts MATCH :match
    )
) ORDER BY seq DESC LIMIT :limit;
