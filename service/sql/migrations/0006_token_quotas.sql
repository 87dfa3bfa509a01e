-- Tokens a day: how many a key may use, and how many each caller has used.

-- NULL is what the settings say, 0 any number.
ALTER TABLE api_keys ADD COLUMN tokens_a_day INTEGER;

-- One row a caller: of earlier days nothing is kept.
CREATE TABLE token_use (
    owner  TEXT PRIMARY KEY,
    day    TEXT NOT NULL,
    tokens INTEGER NOT NULL
) WITHOUT ROWID;
