-- Turns: the writing of answers. Every statement that writes is fenced by the attempt.

-- name: turn
-- What a turn answers, and how often it was begun.
SELECT t.id, t.chat_id, c.owner, t.question_id, q.content, t.attempt
FROM turns t JOIN chats c ON c.id = t.chat_id JOIN messages q ON q.id = t.question_id
WHERE t.id = :id;

-- name: begin
-- Begin a new attempt.
UPDATE turns SET attempt = attempt + 1, started_at = :now
WHERE id = :id AND EXISTS (SELECT 1 FROM messages m WHERE m.id = :id AND m.status IN ('queued', 'running'));

-- name: mark_running
-- The answer is being written.
UPDATE messages SET status = 'running', model = :model WHERE id = :id;

-- name: writable
-- Whether the attempt is the newest one and the answer is still open.
SELECT 1 FROM turns t JOIN messages m ON m.id = t.id
WHERE t.id = :id AND t.attempt = :attempt AND m.status IN ('queued', 'running');

-- name: insert_step
-- Store a finished step.
INSERT INTO steps (turn_id, number, kind, wire, sources, name, arguments, hits, error, duration_ms, made_by)
VALUES (:turn_id, :number, :kind, :wire, :sources, :name, :arguments, :hits, :error, :duration_ms, :made_by);

-- name: done
-- What earlier attempts at a turn left, in order.
SELECT wire, sources, name, error FROM steps WHERE turn_id = :id ORDER BY number;

-- name: save_text
-- Keep the text so far of an answer that is being written.
UPDATE messages SET content = :content, citations = :citations WHERE id = :id;

-- name: finish
-- End the answer for good.
UPDATE messages SET status = :status, outcome = :outcome, content = :content, citations = :citations,
    citations_dropped = :citations_dropped, prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens,
    llm_calls = :llm_calls, model = :model, error = :error, kb_revision = :kb_revision, completed_at = :now
WHERE id = :id;

-- name: forget_transcript
-- What tools returned was for another attempt: of documents nothing stays but their names, and what the answer cites.
UPDATE steps SET wire = '', sources = (
    SELECT json_group_array(json_object('document', json_extract(value, '$.document')))
    FROM json_each(coalesce(json_extract(steps.sources, '$.passages'), steps.sources))
)
WHERE turn_id = :id;

-- name: answer
-- The answer as it stands.
SELECT seq, id, chat_id, role, status, outcome, content, citations, citations_dropped,
    prompt_tokens, completion_tokens, llm_calls, model, error, kb_revision,
    supersedes, superseded_by, rating, comment, created_at, completed_at
FROM messages WHERE id = :id;

-- name: steps
-- The tool calls of an answer.
SELECT turn_id, number, name, arguments, hits, error, duration_ms, made_by FROM steps
WHERE turn_id = :id AND kind = 'tool' ORDER BY number;

-- name: open_turns
-- Turns without an end, oldest first.
SELECT t.id, t.attempt, c.owner FROM turns t JOIN messages m ON m.id = t.id JOIN chats c ON c.id = t.chat_id
WHERE m.status IN ('queued', 'running') ORDER BY m.seq;

-- name: exchanges
-- Earlier questions of a chat with their answers, newest first; read from the end, however long the chat is.
SELECT q.content, a.content
FROM messages a CROSS JOIN turns t ON t.id = a.id CROSS JOIN messages q ON q.id = t.question_id
WHERE a.chat_id = :chat_id AND q.seq < (SELECT seq FROM messages WHERE id = :question_id) AND a.status = 'completed' AND a.content <> '' AND a.superseded_by IS NULL
ORDER BY a.seq DESC LIMIT :limit;
