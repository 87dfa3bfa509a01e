-- Which documents the chats have made use of.

-- name: returned
-- Each document that the newest tool calls returned passages of; how many calls those were stands in every row.
WITH newest AS (
    SELECT s.sources
    FROM messages m JOIN steps s ON s.turn_id = m.id
    WHERE s.kind = 'tool' AND s.sources <> '[]'
    ORDER BY m.seq DESC
    LIMIT :limit
)
SELECT DISTINCT json_extract(source.value, '$.document'), (SELECT count(*) FROM newest)
FROM newest, json_each(coalesce(json_extract(newest.sources, '$.passages'), newest.sources)) AS source;
