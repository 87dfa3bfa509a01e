-- Texts that answers cite, as they were when they were cited.

-- name: insert_text
-- Keep a text, unless it is kept already.
INSERT INTO kept_texts (digest, revision, start_line, end_line, whole, body)
VALUES (:digest, :revision, :start_line, :end_line, :whole, :body)
ON CONFLICT (digest) DO NOTHING;

-- name: insert_citing
-- Note that an answer cites a kept text.
INSERT INTO cited_texts (message_id, text_id, document, title, topic)
SELECT :message_id, id, :document, :title, :topic FROM kept_texts WHERE digest = :digest
ON CONFLICT DO NOTHING;

-- name: kept_whole
-- Whether a revision of a document is kept whole.
SELECT 1 FROM kept_texts WHERE revision = ? AND whole = 1 LIMIT 1;

-- name: cite_whole
-- Note that an answer cites a document of which that revision is kept whole; nothing where it is not.
INSERT INTO cited_texts (message_id, text_id, document, title, topic)
SELECT :message_id, id, :document, :title, :topic FROM kept_texts WHERE revision = :revision AND whole = 1
ORDER BY id LIMIT 1
ON CONFLICT DO NOTHING;

-- name: kept
-- What an owner's answers keep of a revision of a document, the text with the most of the lines asked for first.
SELECT k.revision, k.start_line, k.end_line, k.whole, k.body, t.document, t.title, t.topic
FROM kept_texts k
    JOIN cited_texts t ON t.text_id = k.id
    JOIN messages m ON m.id = t.message_id
    JOIN chats c ON c.id = m.chat_id
WHERE k.revision = :revision AND t.document = :document AND c.owner = :owner
    AND k.start_line <= :last AND k.end_line >= :first
ORDER BY min(k.end_line, :last) - max(k.start_line, :first) DESC, k.id
LIMIT 1;
