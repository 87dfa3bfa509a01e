-- name: topics
-- Topics with the number of their documents.
SELECT topic, count(*) FROM documents WHERE live = 1 GROUP BY topic ORDER BY topic;

-- name: topic_page
-- The document that introduces a topic: its index or readme file.
SELECT title, description FROM documents
WHERE live = 1 AND topic = :topic
    AND name IN ('index.md', 'README.md', :topic || '/index.md', :topic || '/README.md')
ORDER BY length(name) DESC, name DESC
LIMIT 1;

-- name: documents
-- Documents by name, after a name.
SELECT name, title, topic, description, tags, lines, bytes, revision, indexed_at
FROM documents
WHERE live = 1 AND name > ?
ORDER BY name
LIMIT ?;

-- name: documents_of_topic
-- Documents of a topic by name, after a name.
SELECT name, title, topic, description, tags, lines, bytes, revision, indexed_at
FROM documents
WHERE live = 1 AND topic = ? AND name > ?
ORDER BY name
LIMIT ?;

-- name: document
-- A served document by its name.
SELECT id, name, title, topic, lines, revision FROM documents WHERE live = 1 AND name = ?;

-- name: blocks
-- The text of a document from the block that holds a line on.
SELECT start_line, text FROM blocks
WHERE document_id = :id
    AND start_line >= (SELECT max(start_line) FROM blocks WHERE document_id = :id AND start_line <= :line)
ORDER BY start_line;

-- name: names_with
-- Names that contain a text, whatever its case.
SELECT name FROM documents WHERE live = 1 AND instr(lower(name), lower(?)) > 0 ORDER BY name LIMIT ?;
