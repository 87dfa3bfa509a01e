-- name: insert_document
-- A version of a file, not yet served unless it is written whole at once.
INSERT INTO documents (name, live, title, topic, description, tags, aliases, warnings, revision, lines, bytes,
                       dev, inode, size, mtime_ns, ctime_ns, indexed_at)
VALUES (:name, :live, :title, :topic, :description, :tags, :aliases, :warnings, :revision, :lines, :bytes,
        :dev, :inode, :size, :mtime_ns, :ctime_ns, :indexed_at);

-- name: staged_document
-- The newest version of a name that is still being written.
SELECT id FROM documents WHERE live = 0 AND name = ? ORDER BY id DESC LIMIT 1;

-- name: insert_block
-- A piece of a document's text.
INSERT INTO blocks (document_id, start_line, text) VALUES (?, ?, ?);

-- name: next_passage_id
-- The first free passage number.
SELECT coalesce(max(id), 0) + 1 FROM passages;

-- name: insert_passage
-- One passage; its number is shared by its terms and its row of the full-text index.
INSERT INTO passages (id, document_id, ordinal, heading, start_line, end_line, text) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_terms
-- What a passage is found by.
INSERT INTO passage_terms (passage_id, document_id, length, terms, forms) VALUES (?, ?, ?, ?, ?);

-- name: insert_posting
-- The analysed terms of a passage, into the full-text index.
INSERT INTO passages_fts (rowid, terms) VALUES (?, ?);

-- name: unpublish_document
-- The served version of a name is served no more; its rows wait to be purged.
UPDATE documents SET live = 0 WHERE live = 1 AND name = ?;

-- name: publish_document
-- A version that is written whole becomes the served one.
UPDATE documents SET live = 1 WHERE id = ?;

-- name: touch_document
-- The file was written again with the content that is indexed: only its fingerprint changes.
UPDATE documents
SET dev = :dev, inode = :inode, size = :size, mtime_ns = :mtime_ns, ctime_ns = :ctime_ns
WHERE live = 1 AND name = :name;

-- name: dead_passages
-- Passages of versions that are not served, with the terms the full-text index must forget.
SELECT t.passage_id, t.terms, t.length
FROM documents AS d JOIN passages AS p ON p.document_id = d.id JOIN passage_terms AS t ON t.passage_id = p.id
WHERE d.live = 0
LIMIT ?;

-- name: delete_posting
-- Forget a passage in the full-text index; it has to be given the terms it was given before.
INSERT INTO passages_fts (passages_fts, rowid, terms) VALUES ('delete', ?, ?);

-- name: delete_terms
-- The terms of a passage.
DELETE FROM passage_terms WHERE passage_id = ?;

-- name: delete_passage
-- A passage; after its terms.
DELETE FROM passages WHERE id = ?;

-- name: emptied_documents
-- Versions that are not served and have no passage left.
SELECT id FROM documents AS d
WHERE live = 0 AND NOT EXISTS (SELECT 1 FROM passages AS p WHERE p.document_id = d.id)
LIMIT ?;

-- name: delete_blocks
-- The text of a version.
DELETE FROM blocks WHERE document_id = ?;

-- name: delete_document
-- A version; after its text and passages.
DELETE FROM documents WHERE id = ?;

-- name: clear_terms
-- Every passage's terms.
DELETE FROM passage_terms;

-- name: clear_postings
-- The whole full-text index.
INSERT INTO passages_fts (passages_fts) VALUES ('delete-all');

-- name: clear_passages
-- Every passage.
DELETE FROM passages;

-- name: clear_blocks
-- Every document's text.
DELETE FROM blocks;

-- name: clear_documents
-- Every document.
DELETE FROM documents;

-- name: clear_skipped
-- Every skipped file.
DELETE FROM skipped_files;

-- name: merge_postings
-- Rewrite some pages of the full-text index in one segment, without what was deleted.
INSERT INTO passages_fts (passages_fts, rank) VALUES ('merge', ?);

-- name: total_changes
-- Rows that this connection has changed so far.
SELECT total_changes();

-- name: tidiness
-- Passages that came or went since the full-text index was merged; whether versions that are not served are left.
SELECT coalesce((SELECT CAST(value AS INTEGER) FROM kb_meta WHERE key = 'untidied'), 0),
       EXISTS (SELECT 1 FROM documents WHERE live = 0);

-- name: fingerprints
-- What is indexed: name, fingerprint, revision.
SELECT name, dev, inode, size, mtime_ns, ctime_ns, revision FROM documents WHERE live = 1;

-- name: served
-- How many documents are served.
SELECT count(*) FROM documents WHERE live = 1;

-- name: insert_skipped
-- A file that is not indexed, and why.
INSERT INTO skipped_files (name, reason, detail) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, detail = excluded.detail;

-- name: delete_skipped
-- The file is gone or indexed now.
DELETE FROM skipped_files WHERE name = ?;

-- name: skipped
-- Files that are not indexed, by name.
SELECT name, reason, detail FROM skipped_files ORDER BY name;

-- name: meta
-- One value of the index's own book-keeping.
SELECT value FROM kb_meta WHERE key = ?;

-- name: set_meta
-- Write such a value.
INSERT INTO kb_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: add_total
-- Count passages or terms that came or went.
INSERT INTO kb_meta (key, value) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value;

-- name: clear_totals
-- There is nothing in the index.
DELETE FROM kb_meta WHERE key IN ('passages', 'terms', 'untidied');
