-- Tokens that callers have used today.

-- name: tokens_of_day
-- What each caller has used of a day.
SELECT owner, tokens FROM token_use WHERE day = :day;

-- name: keep_tokens
-- Keep what a caller has used of a day, in place of an earlier day's.
INSERT INTO token_use (owner, day, tokens) VALUES (:owner, :day, :tokens)
ON CONFLICT (owner) DO UPDATE SET day = excluded.day, tokens = excluded.tokens;
