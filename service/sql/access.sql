-- API keys and sign-ins of the page.

-- name: keys
-- Every key there ever was, by name, the newest first.
SELECT id, name, owner, scopes, digest, created_at, expires_at, revoked_at, last_used_at, tokens_a_day
FROM api_keys ORDER BY name, created_at DESC, id;

-- name: count_keys
-- How many keys there ever were, and how many of them open something.
SELECT count(*), count(CASE WHEN revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now) THEN 1 END)
FROM api_keys;

-- name: keys_named
-- The keys of a name, or the one of an id, the newest first.
SELECT id, name, owner, scopes, digest, created_at, expires_at, revoked_at, last_used_at, tokens_a_day
FROM api_keys WHERE name = :name OR id = :name ORDER BY created_at DESC, id;

-- name: insert_key
-- Keep a new key.
INSERT INTO api_keys (id, name, owner, scopes, digest, created_at, expires_at, tokens_a_day)
VALUES (:id, :name, :owner, :scopes, :digest, :now, :expires_at, :tokens_a_day);

-- name: revoke_key
-- A key opens nothing any more.
UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- name: expire_key
-- A key ends at a time, unless it ends before.
UPDATE api_keys SET expires_at = :at WHERE id = :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :at);

-- name: set_tokens_a_day
-- Another quota for all keys of an owner.
UPDATE api_keys SET tokens_a_day = :tokens_a_day WHERE owner = :owner;

-- name: note_use
-- When a key was last used.
UPDATE api_keys SET last_used_at = :at WHERE id = :id;

-- name: sessions
-- Every sign-in that has not ended.
SELECT digest, key_digest, expires_at FROM sessions WHERE expires_at > :now;

-- name: insert_session
-- Keep a sign-in.
INSERT INTO sessions (digest, key_digest, expires_at) VALUES (:digest, :key_digest, :expires_at);

-- name: drop_oldest_sessions
-- End the sign-ins of a key but one and so many of the newest others.
DELETE FROM sessions WHERE key_digest = :key_digest AND digest <> :digest AND digest NOT IN (
    SELECT digest FROM sessions WHERE key_digest = :key_digest AND digest <> :digest
    ORDER BY expires_at DESC LIMIT :most
);

-- name: delete_session
-- Sign out.
DELETE FROM sessions WHERE digest = :digest;

-- name: delete_sessions_of_key
-- Sign out all who signed in with a key.
DELETE FROM sessions WHERE key_digest = :key_digest;

-- name: prune_sessions
-- Forget sign-ins that have ended.
DELETE FROM sessions WHERE expires_at <= :now;
