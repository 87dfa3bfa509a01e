-- The event log: appended with the state it tells of, replayed by id.

-- name: append
-- Log an event.
INSERT INTO events (owner, chat_id, turn_id, type, data, created_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: replay_chat
-- The events of one chat after an id.
SELECT id, type, owner, chat_id, turn_id, data FROM events
WHERE chat_id = :chat AND id > :after AND owner = :owner
ORDER BY id LIMIT :limit;

-- name: replay_all
-- Everything an owner may see after an id.
SELECT * FROM (
    SELECT id, type, owner, chat_id, turn_id, data FROM events
    WHERE owner = :owner AND id > :after ORDER BY id LIMIT :limit
)
UNION ALL SELECT * FROM (
    SELECT id, type, owner, chat_id, turn_id, data FROM events
    WHERE owner IS NULL AND :knowledge AND id > :after ORDER BY id LIMIT :limit
)
ORDER BY id LIMIT :limit;

-- name: newest_of_chat
-- The newest event of one chat.
SELECT id, type, owner, chat_id, turn_id, data FROM events
WHERE chat_id = :chat AND owner = :owner ORDER BY id DESC LIMIT 1;

-- name: newest_of_all
-- The newest event an owner may see.
SELECT id, type, owner, chat_id, turn_id, data FROM events WHERE id = (
    SELECT max(id) FROM (
        SELECT max(id) AS id FROM events WHERE owner = :owner
        UNION ALL SELECT max(id) FROM events WHERE owner IS NULL AND :knowledge
    )
);

-- name: turn_begin
-- The first event of a turn.
SELECT min(id) FROM events WHERE turn_id = ?1 AND chat_id = (SELECT chat_id FROM turns WHERE id = ?1);

-- name: find
-- One event by its id.
SELECT id, type, owner, chat_id, turn_id, data FROM events WHERE id = ?;

-- name: prune
-- Drop some of the oldest, of what is older than a time or beyond a number; the newest stays so that ids are known.
DELETE FROM events WHERE id IN (
    SELECT id FROM events
    WHERE id < (SELECT max(id) FROM events)
        AND (created_at < :before OR id <= (SELECT max(id) FROM events) - :keep)
    ORDER BY id LIMIT :batch
);
