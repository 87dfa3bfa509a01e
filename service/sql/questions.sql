-- Accepting questions, answering them anew, rating answers.

-- name: insert_message
-- Add a message to a chat; gives it as it stands there.
INSERT INTO messages (id, chat_id, role, status, content, model, supersedes, created_at, completed_at)
VALUES (:id, :chat_id, :role, :status, :content, :model, :supersedes, :now, :completed_at)
RETURNING seq, id, chat_id, role, status, outcome, content, citations, citations_dropped,
    prompt_tokens, completion_tokens, llm_calls, model, error, kb_revision,
    supersedes, superseded_by, rating, comment, created_at, completed_at;

-- name: insert_turn
-- Add the turn that will write an answer.
INSERT INTO turns (id, chat_id, question_id) VALUES (:id, :chat_id, :question_id);

-- name: touch_chat
-- Note that something was said in a chat.
UPDATE chats SET updated_at = :now WHERE id = :id;

-- name: name_chat
-- Give a chat its title.
UPDATE chats SET title = :title, updated_at = :now WHERE id = :id;

-- name: question_of
-- The question that an answer was written for.
SELECT question_id FROM turns WHERE id = :id AND chat_id = :chat_id;

-- name: supersede
-- Note that an answer was written anew.
UPDATE messages SET superseded_by = :by WHERE id = :id;

-- name: rate
-- Keep what its reader thinks of an answer.
UPDATE messages SET rating = :rating, comment = :comment WHERE id = :id;

-- name: ticket
-- What an idempotency key of an owner stands for in a chat.
SELECT i.fingerprint, t.question_id, i.message_id FROM idempotency i JOIN turns t ON t.id = i.message_id
WHERE i.owner = :owner AND i.route = 'messages/' || :chat_id AND i.key = :key;

-- name: insert_ticket
-- Keep an idempotency key with what it made.
INSERT INTO idempotency (owner, route, key, fingerprint, chat_id, message_id, created_at)
VALUES (:owner, 'messages/' || :chat_id, :key, :fingerprint, :chat_id, :message_id, :now);

-- name: prune_tickets
-- Forget old idempotency keys.
DELETE FROM idempotency WHERE created_at < ?;
