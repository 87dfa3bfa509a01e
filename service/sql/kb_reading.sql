-- name: topics
-- Topics with the number of their documents.
SELECT topic, count(*) FROM documents WHERE live = 1 GROUP BY topic ORDER BY topic;

-- name: topic_page
-- The document that introduces a topic, its index or readme file, with the first passage of its text.
WITH names (name) AS (
    SELECT value FROM json_each('["index.md", "README.md", "readme.md", "index.txt", "README.txt", "readme.txt", "index.rst", "README.rst", "readme.rst", "index.adoc", "README.adoc", "readme.adoc"]')
)
SELECT d.title, d.description, coalesce(p.text, '')
FROM documents d LEFT JOIN passages p ON p.document_id = d.id AND p.ordinal = 0
WHERE d.live = 1 AND d.topic = :topic
    AND d.name IN (SELECT name FROM names UNION ALL SELECT :topic || '/' || name FROM names)
ORDER BY length(d.name) DESC, d.name DESC
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

-- name: headings
-- The paths of headings above the passages that have some of the lines, each with its first line.
SELECT start_line, heading FROM passages
WHERE document_id = :id AND end_line >= :first AND start_line <= :last
ORDER BY ordinal;

-- name: names_with
-- Names that contain a text, whatever its case.
SELECT name FROM documents WHERE live = 1 AND instr(lower(name), lower(?)) > 0 ORDER BY name LIMIT ?;
