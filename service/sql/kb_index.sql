-- name: stamp
-- The index's revision and how many documents it serves: tells whether it is still as it was left.
SELECT coalesce((SELECT value FROM kb_meta WHERE key = 'revision'), 0),
       (SELECT count(*) FROM documents WHERE live = 1);
