-- name: totals
-- Revision, number of passages and number of terms of the index.
SELECT
    coalesce(max(CASE key WHEN 'revision' THEN CAST(value AS INTEGER) END), 0),
    coalesce(max(CASE key WHEN 'passages' THEN CAST(value AS INTEGER) END), 0),
    coalesce(max(CASE key WHEN 'terms' THEN CAST(value AS INTEGER) END), 0)
FROM kb_meta;

-- name: frequency
-- In how many passages a term occurs.
SELECT doc FROM passages_vocab WHERE term = ?;

-- name: terms_like
-- Terms that begin alike, in order: from the beginning up to, not including, a bound.
SELECT term FROM passages_vocab WHERE term >= ? AND term < ? LIMIT ?;

-- name: candidates
-- The passages a full-text expression ranks first, with what ranking needs to know of them.
-- Without lengths of rows bm25() works as if k1 were 0.3; the weight of 0.25 brings it back to 1.2. ORDER BY rank
-- would take longer.
SELECT t.passage_id, t.document_id, t.length, t.terms, t.forms
FROM (
    SELECT rowid AS id FROM passages_fts WHERE passages_fts MATCH ? ORDER BY bm25(passages_fts, 0.25) LIMIT ?
) AS found
JOIN passage_terms AS t ON t.passage_id = found.id
JOIN documents AS d ON d.id = t.document_id AND d.live = 1;

-- name: hit
-- A passage with its document.
SELECT d.name, d.title, d.topic, p.heading, p.start_line, p.end_line, p.text, d.revision
FROM passages AS p JOIN documents AS d ON d.id = p.document_id
WHERE p.id = ?;

-- name: forms_with
-- The forms of words in some of the passages that a full-text expression finds.
-- By name and place, not by row: an index that was rebuilt has to give the same. A frequent term is not looked at whole.
SELECT t.forms
FROM (SELECT rowid AS id FROM passages_fts WHERE passages_fts MATCH ? LIMIT 500) AS found
JOIN passages AS p ON p.id = found.id
JOIN documents AS d ON d.id = p.document_id
JOIN passage_terms AS t ON t.passage_id = p.id
ORDER BY d.name, p.ordinal LIMIT 20;
