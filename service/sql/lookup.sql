-- Finding one chat or message of an owner.

-- name: chat
-- One chat of an owner.
SELECT seq, id, title, metadata, created_at, updated_at FROM chats WHERE id = :id AND owner = :owner;

-- name: message
-- One message of an owner's chat.
SELECT m.seq, m.id, m.chat_id, m.role, m.status, m.outcome, m.content, m.citations, m.citations_dropped,
    m.prompt_tokens, m.completion_tokens, m.llm_calls, m.model, m.error, m.kb_revision,
    m.supersedes, m.superseded_by, m.rating, m.comment, m.created_at, m.completed_at
FROM messages m JOIN chats c ON c.id = m.chat_id
WHERE m.id = :id AND m.chat_id = :chat_id AND c.owner = :owner;

-- name: steps_between
-- The tool calls of the answers between two messages of a chat, both included.
SELECT s.turn_id, s.number, s.name, s.arguments, s.hits, s.error, s.duration_ms, s.made_by
FROM messages m JOIN steps s ON s.turn_id = m.id
WHERE m.chat_id = :chat_id AND m.seq BETWEEN :first AND :last AND s.kind = 'tool'
ORDER BY m.seq, s.number;

-- name: open_turn
-- The answer that is being written in a chat.
SELECT id FROM messages WHERE chat_id = :chat_id AND status IN ('queued', 'running');
