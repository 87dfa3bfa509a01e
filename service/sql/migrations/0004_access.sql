-- API keys and sign-ins of the page. Neither holds a secret: of each there is the SHA-256 only.

-- A rotated key is a new row with the name and the owner of the old one. Rows stay when keys are revoked, because
-- chats name their owner, and because a service that had a key once is never open to all again.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    owner        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    digest       BLOB NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    revoked_at   TEXT,
    last_used_at TEXT
) WITHOUT ROWID;

CREATE INDEX api_keys_by_name ON api_keys (name);

-- A sign-in ends with its key, which may be one of the settings, so it names the key by its digest.
CREATE TABLE sessions (
    digest     BLOB PRIMARY KEY,
    key_digest BLOB NOT NULL,
    expires_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_of_key ON sessions (key_digest);

-- Everything that an owner may see is found without reading what others did.
CREATE INDEX events_of_owner ON events (owner, id);
