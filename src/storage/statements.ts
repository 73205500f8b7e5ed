/** The SQL of the store, in the part of the language that SQLite and PostgreSQL share. */
import { PRESS } from '../codes/code-store.js';
import { GUESSED, NOT_ENDED } from './migrations.js';

const ALL_BUT_ID = `guild_id, holder_id, holder_tag, username, name_hash, sealed_text, max_uses,
  uses, issued_at, delivered_at, expires_at, expired_at, replaced_at, revoked_at, withdrawn_at, suspended_at`;

const CODE_COLUMNS = `id, ${ALL_BUT_ID}`;

const DELIVERED = `delivered_at IS NOT NULL AND ${NOT_ENDED}`;

const notExpired = (now: string) => `(expires_at IS NULL OR expires_at > ${now})`;

/** The usernames that share a look with the one that the SQL expression names, itself among them. */
const alike = (nameHash: string) => `(SELECT theirs.name_hash FROM look_alikes AS ours
    JOIN look_alikes AS theirs ON theirs.skeleton = ours.skeleton WHERE ours.name_hash = ${nameHash})`;

// Requests

export const CLAIM =
  'INSERT INTO requests (id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id';

export const WRITE_ANSWER = `INSERT INTO answers
    (request_id, command, channel_id, author_id, addressee, sealed_body, received_at, owner, leased_until)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  ON CONFLICT (request_id) DO UPDATE SET sealed_body = excluded.sealed_body, received_at = excluded.received_at,
    owner = excluded.owner, leased_until = excluded.leased_until`;

/** $1 now, $2 later than any lease that a clock could have given that was not set back since. */
const LEASE_IS_OVER = '(leased_until <= $1 OR leased_until > $2)';

export const FIND_UNLEASED = `SELECT request_id FROM answers WHERE ${LEASE_IS_OVER} LIMIT 1`;

/** $3 owner, $4 until when, $5 how many. */
export const TAKE_ANSWERS = `UPDATE answers SET owner = $3, leased_until = $4
  WHERE request_id IN (SELECT request_id FROM answers WHERE ${LEASE_IS_OVER} ORDER BY request_id LIMIT $5)
  RETURNING request_id, command, channel_id, author_id, addressee, sealed_body, received_at`;

export const RENEW_ANSWER = 'UPDATE answers SET leased_until = $3 WHERE owner = $1 AND request_id = $2';

export const RELEASE_ANSWERS = 'UPDATE answers SET leased_until = $2 WHERE owner = $1';

export const WIPE_ANSWER = 'UPDATE answers SET sealed_body = NULL WHERE request_id = $1';

export const FINISH_ANSWER = 'DELETE FROM answers WHERE request_id = $1';

/** Whether the answer with this code is still to be sent, or it is not known whether a press has shown it. */
const UNANSWERED = `EXISTS (SELECT 1 FROM answers WHERE answers.request_id IN (codes.id, '${PRESS}' || codes.id))`;

export const FORGET_REQUESTS = 'DELETE FROM requests WHERE received_at < $1';

// The life of a code

export const INSERT_LOOK =
  'INSERT INTO look_alikes (skeleton, name_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING';

/** $1 holder, $2 now, $3 since when what is not delivered reserves, $4 to $7 what the username looks like. */
export const TAKEN = `SELECT id FROM codes
  WHERE name_hash IN (SELECT name_hash FROM look_alikes WHERE skeleton IN ($4, $5, $6, $7))
    AND holder_id <> $1 AND ${NOT_ENDED} AND ${notExpired('$2')}
    AND (delivered_at IS NOT NULL OR issued_at >= $3 OR ${UNANSWERED})
  LIMIT 1`;

/** $1 holder, $2 since when, $3 how many are allowed: the oldest of the latest so many. */
export const LATEST_ISSUED = `SELECT issued_at FROM codes WHERE holder_id = $1 AND issued_at > $2
  ORDER BY issued_at DESC LIMIT $3`;

/** $1 holder, $2 now, $3 since when what is not delivered reserves. */
export const USERNAMES_HELD = `SELECT name_hash, min(username) AS username FROM codes
  WHERE holder_id = $1 AND ${NOT_ENDED} AND ${notExpired('$2')}
    AND (delivered_at IS NOT NULL OR issued_at >= $3 OR ${UNANSWERED})
  GROUP BY name_hash ORDER BY min(issued_at), name_hash`;

export const INSERT_CODE = `INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, name_hash,
    text_hash, pair_hash, sealed_text, max_uses, uses, issued_at, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12)
  ON CONFLICT DO NOTHING RETURNING id`;

export const FIND = `SELECT ${CODE_COLUMNS} FROM codes WHERE id = $1`;

/** A repeat changes nothing: the first delivery's time stays. */
export const DELIVER = `UPDATE codes SET delivered_at = COALESCE(delivered_at, $2)
  WHERE id = $1 AND ${NOT_ENDED} AND ${notExpired('$2')}
    AND NOT EXISTS (
      SELECT 1 FROM codes AS other
      WHERE other.name_hash IN ${alike('codes.name_hash')} AND other.holder_id <> codes.holder_id
        AND other.delivered_at IS NOT NULL AND other.revoked_at IS NULL AND other.withdrawn_at IS NULL
        AND other.replaced_at IS NULL AND other.expired_at IS NULL
        AND (other.expires_at IS NULL OR other.expires_at > $2))
  RETURNING ${CODE_COLUMNS}`;

export const REPLACE_OTHERS = `UPDATE codes SET replaced_at = $3
  WHERE name_hash = $1 AND id <> $2 AND ${DELIVERED} AND ${notExpired('$3')}
  RETURNING ${CODE_COLUMNS}`;

/** $1 name, $2 issued at. Whatever became of it since: what it replaced stays replaced. */
export const FIND_LATER = `SELECT id FROM codes
  WHERE name_hash = $1 AND issued_at > $2 AND delivered_at IS NOT NULL LIMIT 1`;

export const REPLACE = 'UPDATE codes SET replaced_at = $2 WHERE id = $1';

export const WITHDRAW = `UPDATE codes SET withdrawn_at = $2
  WHERE id = $1 AND delivered_at IS NULL AND ${NOT_ENDED} RETURNING ${CODE_COLUMNS}`;

export const WITHDRAW_UNCLAIMED = `UPDATE codes SET withdrawn_at = $2
  WHERE issued_at < $1 AND delivered_at IS NULL AND ${NOT_ENDED} AND NOT ${UNANSWERED} RETURNING ${CODE_COLUMNS}`;

export const EXPIRE = `UPDATE codes SET expired_at = $1
  WHERE expires_at IS NOT NULL AND expires_at <= $1 AND ${NOT_ENDED}`;

// An administrator's view

/** After {@link EXPIRE}: it reads one index and no row. */
export const COUNT_HELD = `SELECT count(*) AS total FROM codes WHERE guild_id = $1 AND ${DELIVERED}`;

/** The inner query reads nothing but the index, so that skipping `$4` rows stays cheap. */
const listHeld = (direction: 'ASC' | 'DESC') => `SELECT ${CODE_COLUMNS} FROM codes WHERE id IN (
    SELECT id FROM codes WHERE guild_id = $1 AND ${DELIVERED} AND ${notExpired('$2')}
    ORDER BY issued_at ${direction}, id ${direction} LIMIT $3 OFFSET $4)
  ORDER BY issued_at ${direction}, id ${direction}`;

export const LIST_HELD = { oldest: listHeld('ASC'), newest: listHeld('DESC') } as const;

/** $1 server, $2 now, $3 the last holder of the page before, $4 how many. */
export const LIST_HOLDERS = `SELECT DISTINCT holder_id FROM codes
  WHERE guild_id = $1 AND ${NOT_ENDED} AND ${notExpired('$2')} AND holder_id > $3
  ORDER BY holder_id LIMIT $4`;

const revokeWhere = (condition: string) => `UPDATE codes SET revoked_at = $3
  WHERE guild_id = $1 AND ${condition} AND ${NOT_ENDED} AND ${notExpired('$3')}
  RETURNING ${CODE_COLUMNS}`;

export const LIST_GUILDS = `SELECT DISTINCT guild_id FROM codes WHERE ${NOT_ENDED}`;

export const SUSPEND_GUILD = `UPDATE codes SET suspended_at = $2
  WHERE guild_id = $1 AND suspended_at IS NULL AND ${NOT_ENDED} RETURNING id`;

export const RESUME_GUILD = `UPDATE codes SET suspended_at = NULL
  WHERE guild_id = $1 AND suspended_at IS NOT NULL AND ${NOT_ENDED} RETURNING id`;

export const REVOKE = {
  text: revokeWhere('text_hash = $2'),
  username: revokeWhere('name_hash = $2'),
  holder: revokeWhere('holder_id = $2'),
} as const;

// At the website's door

export const DECOY_ID = 'decoy';

/**
 * Reads a row in any case, so that finding an ended code takes no longer than finding none: where no code has this
 * pair the code beside it, or one that never was, under the name of a decoy.
 */
export const FIND_BY_PAIR = `SELECT * FROM (
    SELECT CASE WHEN pair_hash = $1 THEN id ELSE '${DECOY_ID}' END AS id, ${ALL_BUT_ID}
    FROM codes WHERE pair_hash >= $1 ORDER BY pair_hash LIMIT 1) AS nearest
  UNION ALL
  SELECT '${DECOY_ID}', '1574161374181851138', '1574161374181851137', 'nobody', 'nobody', '${'x'.repeat(43)}',
    '${'x'.repeat(46)}', NULL, 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL
  LIMIT 1`;

export const REDEEM = `UPDATE codes SET uses = uses + 1
  WHERE pair_hash = $1 AND ${DELIVERED} AND ${notExpired('$2')} AND suspended_at IS NULL
    AND (max_uses IS NULL OR uses < max_uses)
  RETURNING ${CODE_COLUMNS}`;

export const FIND_REDEMPTION =
  'SELECT pair_hash, code_id, refused_as, uses FROM redemptions WHERE key_hash = $1 AND redeemed_at > $2';

export const WRITE_REDEMPTION = `INSERT INTO redemptions
    (key_hash, pair_hash, code_id, refused_as, uses, redeemed_at)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (key_hash) DO UPDATE SET pair_hash = excluded.pair_hash, code_id = excluded.code_id,
    refused_as = excluded.refused_as, uses = excluded.uses, redeemed_at = excluded.redeemed_at`;

export const FORGET_REDEMPTIONS = 'DELETE FROM redemptions WHERE redeemed_at <= $1';

export const LATEST_REDEMPTIONS =
  'SELECT redeemed_at FROM redemptions ORDER BY redeemed_at DESC LIMIT 1 OFFSET $1';

/** Those that were refused: strangers make as many as they like. */
export const FORGET_REFUSED_REDEMPTIONS =
  'DELETE FROM redemptions WHERE redeemed_at <= $1 AND code_id IS NULL';

/** $1 client, $2 name: a client is known as long as the member who got in with it holds the username. */
export const FIND_CLIENT = `SELECT clients.seen_at FROM clients
  JOIN codes ON codes.name_hash = $2 AND codes.holder_id = clients.holder_id
    AND codes.delivered_at IS NOT NULL AND codes.revoked_at IS NULL AND codes.withdrawn_at IS NULL
    AND codes.replaced_at IS NULL AND codes.expired_at IS NULL
  WHERE clients.client_hash = $1 LIMIT 1`;

export const REMEMBER_CLIENT = `INSERT INTO clients (client_hash, holder_id, seen_at) VALUES ($1, $2, $3)
  ON CONFLICT (client_hash) DO UPDATE SET holder_id = excluded.holder_id, seen_at = excluded.seen_at`;

export const FORGET_CLIENTS = 'DELETE FROM clients WHERE seen_at < $1';

export const FIND_GUARD = 'SELECT failures, in_a_row FROM guards WHERE budget = $1';

export const WRITE_GUARD = `INSERT INTO guards (budget, name_hash, failures, in_a_row, changed_at)
  VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (budget) DO UPDATE SET
    failures = excluded.failures, in_a_row = excluded.in_a_row, changed_at = excluded.changed_at`;

export const FORGET_GUARDS_OF_NAME = 'DELETE FROM guards WHERE name_hash = $1';

export const LATEST_GUARDS = 'SELECT changed_at FROM guards ORDER BY changed_at DESC LIMIT 1 OFFSET $1';

/** Those of names that somebody holds stay: they are as many as there are holders. */
export const FORGET_GUARDS = `DELETE FROM guards WHERE changed_at <= $1
  AND NOT EXISTS (SELECT 1 FROM codes WHERE codes.name_hash = guards.name_hash)`;

// The audit

export const WRITE_AUDIT = `INSERT INTO audit (at, event, code_id, name_hash, guild_id, actor_id, reason)
  VALUES ($1, $2, $3, $4, $5, $6, $7)`;

/** A parameter that is NULL asks for everything. */
export const READ_AUDIT = `SELECT at, event, code_id, audit.name_hash AS name_hash,
    COALESCE(audit.guild_id, codes.guild_id) AS guild_id, holder_id, actor_id, reason, username
  FROM audit LEFT JOIN codes ON codes.id = audit.code_id
  WHERE at >= $1
    AND (CAST($2 AS TEXT) IS NULL OR audit.name_hash = $2)
    AND (CAST($3 AS TEXT) IS NULL OR holder_id = $3 OR actor_id = $3)
    AND (CAST($4 AS TEXT) IS NULL OR code_id = $4)
  ORDER BY at`;

export const FORGET_AUDIT = 'DELETE FROM audit WHERE at < $1';

export const LATEST_GUESSES = `SELECT at FROM audit WHERE ${GUESSED} ORDER BY at DESC LIMIT 1 OFFSET $1`;

/** Attempts on names that nobody ever had: strangers make as many as they like. */
export const FORGET_STRANGERS = `DELETE FROM audit
  WHERE at <= $1 AND ${GUESSED}
    AND NOT EXISTS (SELECT 1 FROM codes WHERE codes.name_hash = audit.name_hash)`;

export const FIND_ID_BY_TEXT = 'SELECT id FROM codes WHERE text_hash = $1';

export const TOUCH = `INSERT INTO meta (name, value) VALUES ('touched_at', $1)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`;

// The server that is served

/** Ended codes count: a server in which nothing but those is left may be a stranger's or the operator's own. */
export const FIND_SERVED_GUILD = `SELECT COALESCE(
    (SELECT value FROM meta WHERE name = 'served_guild_id'),
    (SELECT min(guild_id) FROM codes HAVING min(guild_id) = max(guild_id))) AS guild_id`;

export const REMEMBER_SERVED_GUILD = `INSERT INTO meta (name, value) VALUES ('served_guild_id', $1)
  ON CONFLICT (name) DO NOTHING RETURNING value`;

// Direct-message channels

export const FIND_CHANNEL = 'SELECT channel_id FROM channels WHERE user_id = $1';

export const REMEMBER_CHANNEL = `INSERT INTO channels (user_id, channel_id) VALUES ($1, $2)
  ON CONFLICT (user_id) DO UPDATE SET channel_id = excluded.channel_id`;

export const FORGET_CHANNEL = 'DELETE FROM channels WHERE user_id = $1';
