package postgres

// Every statement is here, for the test that holds them to what PostgreSQL,
// CockroachDB and YugabyteDB have in common: compare and swap in one statement,
// BYTEA keys, no sequences, no advisory locks, no notifications.

// migrations bring a database from version i to i+1. Only ever append. Each can
// run again where it was cut short, and in several replicas at once.
func migrations() [][]string {
	return [][]string{{
		`CREATE TABLE IF NOT EXISTS vaults (
			id BYTEA PRIMARY KEY, seq BIGINT NOT NULL, chain BYTEA NOT NULL, records BIGINT NOT NULL, bytes BIGINT NOT NULL,
			locator BYTEA UNIQUE, created BIGINT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS manifests (
			vault BYTEA NOT NULL, seq BIGINT NOT NULL, time BIGINT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (vault, seq))`,
		`CREATE TABLE IF NOT EXISTS records (
			vault BYTEA NOT NULL, kind SMALLINT NOT NULL, id BYTEA NOT NULL, version BIGINT NOT NULL, seq BIGINT NOT NULL,
			grp BYTEA NOT NULL, sum BYTEA NOT NULL, size BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (vault, kind, id, version))`,
		`CREATE INDEX IF NOT EXISTS records_changes ON records (vault, seq)`,
		`CREATE TABLE IF NOT EXISTS answers (
			vault BYTEA NOT NULL, key BYTEA NOT NULL, hash BYTEA NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (vault, key))`,
		`CREATE TABLE IF NOT EXISTS notes (
			vault BYTEA NOT NULL, kind SMALLINT NOT NULL, id BYTEA NOT NULL, version BIGINT NOT NULL, expires BIGINT NOT NULL,
			body BYTEA NOT NULL, PRIMARY KEY (vault, kind, id))`,
	}}
}

const (
	mTable   = `CREATE TABLE IF NOT EXISTS ov_schema (version BIGINT PRIMARY KEY)`
	mVersion = `SELECT coalesce(max(version), 0) FROM ov_schema`
	mDone    = `INSERT INTO ov_schema (version) VALUES ($1) ON CONFLICT DO NOTHING`
)

// The reads.
const (
	qHead     = `SELECT seq, chain, records, bytes FROM vaults WHERE id = $1`
	qManifest = `SELECT body FROM manifests WHERE vault = $1 AND seq = $2`
	qChanges  = `SELECT kind, id, version, seq, grp, sum FROM records WHERE vault = $1 AND seq > $2`
	qGet      = `SELECT grp, sum, data FROM records WHERE vault = $1 AND kind = $2 AND id = $3 AND version = $4`
	qSizes    = `SELECT r.kind, r.id, r.version, r.size FROM unnest($2::SMALLINT[], $3::BYTEA[], $4::BIGINT[]) AS k (kind, id, version)
		JOIN records AS r ON r.vault = $1 AND r.kind = k.kind AND r.id = k.id AND r.version = k.version`
	qGetMany = `SELECT r.kind, r.id, r.version, r.grp, r.sum, r.data FROM unnest($2::SMALLINT[], $3::BYTEA[], $4::BIGINT[]) AS k (kind, id, version)
		JOIN records AS r ON r.vault = $1 AND r.kind = k.kind AND r.id = k.id AND r.version = k.version`
	qLocate = `SELECT id FROM vaults WHERE locator = $1`
	qAnswer = `SELECT count(*) FROM answers WHERE vault = $1 AND key = $2`
	qNote   = `SELECT version, expires, body FROM notes WHERE vault = $1 AND kind = $2 AND id = $3 AND (expires = 0 OR expires > $4)`
	qNotes  = `SELECT id, version, expires, body FROM notes
		WHERE vault = $1 AND kind = $2 AND id >= $3 AND id < $4 AND (expires = 0 OR expires > $5) ORDER BY id`
	qVaults       = `SELECT id FROM vaults WHERE id > $1 ORDER BY id LIMIT $2`
	qCount        = `SELECT count(*) FROM vaults`
	qLocator      = `SELECT locator FROM vaults WHERE id = $1`
	qAll          = `SELECT kind, id, version, seq, grp, sum, data FROM records WHERE vault = $1`
	qAllManifests = `SELECT seq, time, body FROM manifests WHERE vault = $1 ORDER BY seq`
	qAllNotes     = `SELECT kind, id, version, expires, body FROM notes WHERE vault = $1 AND kind IN ($2, $3)`
)

// wCommit is a whole commit that neither purges nor resets, in one statement and
// one round trip: what it puts counts only where the head was advanced.
const wCommit = `WITH advanced AS (
		UPDATE vaults SET seq = $1, chain = $2, records = records + $3, bytes = bytes + $4
		WHERE id = $5 AND seq = $6 AND chain = $7 AND ($8::BIGINT = 0 OR records + $3 <= $8) AND ($9::BIGINT = 0 OR bytes + $4 <= $9)
		RETURNING id),
	answered AS (
		INSERT INTO answers (vault, key, hash, time) SELECT id, $10, $11, $12 FROM advanced RETURNING vault),
	signed AS (
		INSERT INTO manifests (vault, seq, time, body) SELECT id, $1, $12, $13 FROM advanced RETURNING vault),
	stored AS (
		INSERT INTO records (vault, kind, id, version, seq, grp, sum, size, data)
		SELECT advanced.id, r.kind, r.id, r.version, $1, r.grp, r.sum, r.size, r.data
		FROM advanced, unnest($14::SMALLINT[], $15::BYTEA[], $16::BIGINT[], $17::BYTEA[], $18::BYTEA[], $19::BIGINT[], $20::BYTEA[])
			AS r (kind, id, version, grp, sum, size, data)
		RETURNING vault)
	SELECT count(*) FROM advanced`

// The writes of every other commit, in one transaction.
const (
	wAnswer  = `INSERT INTO answers (vault, key, hash, time) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	wAgain   = `UPDATE answers SET hash = $3 WHERE vault = $1 AND key = $2 AND hash = $3`
	wCreate  = `INSERT INTO vaults (id, seq, chain, records, bytes, locator, created) VALUES ($1, $2, $3, 0, 0, $4, $5) ON CONFLICT (id) DO NOTHING`
	wAdvance = `UPDATE vaults SET seq = $1, chain = $2 WHERE id = $3 AND seq = $4 AND chain = $5`
	wReset   = `DELETE FROM records WHERE vault = $1`
	wEmpty   = `UPDATE vaults SET records = 0, bytes = 0 WHERE id = $1`
	wPurge   = `DELETE FROM records WHERE vault = $1 AND kind = $2 AND id = $3 AND version = $4 RETURNING size`
	wPut     = `INSERT INTO records (vault, kind, id, version, seq, grp, sum, size, data)
		SELECT $1, r.kind, r.id, r.version, r.seq, r.grp, r.sum, r.size, r.data
		FROM unnest($2::SMALLINT[], $3::BYTEA[], $4::BIGINT[], $5::BIGINT[], $6::BYTEA[], $7::BYTEA[], $8::BIGINT[], $9::BYTEA[])
			AS r (kind, id, version, seq, grp, sum, size, data)`
	wSizes     = `UPDATE vaults SET records = records + $1, bytes = bytes + $2 WHERE id = $3 RETURNING records, bytes`
	wManifest  = `INSERT INTO manifests (vault, seq, time, body) VALUES ($1, $2, $3, $4)`
	wDropParts = `DELETE FROM notes WHERE vault = $1 AND kind = $2 AND id >= $3 AND id < $4`
)

// Notes, and upkeep.
const (
	wNewNote = `INSERT INTO notes (vault, kind, id, version, expires, body) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (vault, kind, id) DO UPDATE SET version = 1, expires = excluded.expires, body = excluded.body
		WHERE notes.expires > 0 AND notes.expires <= $6`
	wNote     = `UPDATE notes SET version = $1, expires = $2, body = $3 WHERE vault = $4 AND kind = $5 AND id = $6 AND version = $7`
	wOverNote = `INSERT INTO notes (vault, kind, id, version, expires, body) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (vault, kind, id) DO UPDATE SET version = notes.version + 1, expires = excluded.expires, body = excluded.body`
	wDropNote     = `DELETE FROM notes WHERE vault = $1 AND kind = $2 AND id = $3`
	wOldAnswers   = `DELETE FROM answers WHERE vault >= $1 AND vault < $2 AND time < $3`
	qLong         = `SELECT id, seq FROM vaults WHERE id >= $1 AND id < $2 AND seq > $3`
	wOldManifests = `DELETE FROM manifests WHERE vault = $1 AND seq <= $2 AND (time < $3 OR seq <= $4)`
	wExpired      = `DELETE FROM notes WHERE vault >= $1 AND vault < $2 AND expires > 0 AND expires <= $3`

	wRemoveVault     = `DELETE FROM vaults WHERE id = $1`
	wRemoveManifests = `DELETE FROM manifests WHERE vault = $1`
	wRemoveAnswers   = `DELETE FROM answers WHERE vault = $1`
	wRemoveNotes     = `DELETE FROM notes WHERE vault = $1`
)

// statements are all of them.
func statements() []string {
	all := []string{mTable, mVersion, mDone, qHead, qManifest, qChanges, qGet, qSizes, qGetMany, qLocate, qAnswer, qNote, qNotes, qVaults, qCount,
		qLocator, qAll, qAllManifests, qAllNotes, wCommit, wAnswer, wAgain, wCreate, wAdvance, wReset, wEmpty, wPurge, wPut, wSizes, wManifest, wDropParts,
		wNewNote, wNote, wOverNote, wDropNote, wOldAnswers, qLong, wOldManifests, wExpired,
		wRemoveVault, wRemoveManifests, wRemoveAnswers, wRemoveNotes}
	for _, m := range migrations() {
		all = append(all, m...)
	}
	return all
}
