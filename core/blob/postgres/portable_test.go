package postgres

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The lint knows what PostgreSQL, CockroachDB and YugabyteDB have in common and
// this package needs; everything else is foreign until somebody has looked it up
// for all three and written it down here.

// grammar is every word that may stand in a statement, but names.
func grammar() []string {
	return strings.Fields(`
		SELECT FROM WHERE AND OR IN JOIN ON AS ORDER BY LIMIT WITH
		INSERT INTO VALUES UPDATE SET DELETE RETURNING CONFLICT DO NOTHING excluded
		CREATE TABLE INDEX IF NOT EXISTS PRIMARY KEY UNIQUE NULL
		BYTEA BIGINT SMALLINT
		count coalesce max unnest`)
}

// sqlToken is a word, a parameter, a number, or one sign; \S is what is foreign.
var sqlToken = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9]*|\$[0-9]+|[0-9]+|<=|>=|::|\[\]|[(),.=<>+*-]|\S`)

// A table as the migrations make it.
type table struct{ columns, key []string }

// tables are those of the migrations.
func tables(ddl []string) map[string]table {
	out := map[string]table{}
	for _, sql := range ddl {
		name, body, ok := strings.Cut(sql, "(")
		if !ok || !strings.HasPrefix(name, "CREATE TABLE") {
			continue
		}
		var t table
		body, key, _ := strings.Cut(body, ", PRIMARY KEY (")
		for _, c := range strings.Split(body, ",") {
			column := strings.Fields(c)[0]
			t.columns = append(t.columns, column)
			if strings.Contains(c, "PRIMARY KEY") {
				t.key = []string{column}
			}
		}
		if key != "" {
			t.key = strings.Split(strings.TrimRight(key, ")"), ", ")
		}
		f := strings.Fields(name)
		out[f[len(f)-1]] = t
	}
	return out
}

var (
	mutation  = regexp.MustCompile(`(?:INSERT INTO|UPDATE|DELETE FROM) ([a-z_]+)`)
	conflict  = regexp.MustCompile(`ON CONFLICT(?: \(([a-z, ]+)\))? DO (NOTHING|UPDATE)`)
	sorted    = regexp.MustCompile(`\bORDER BY (?:id|seq)\b`)
	keyed     = regexp.MustCompile(`\b(?:vault|r\.vault|id|locator) (?:= \$|>= ?\$|> \$)`)
	columnDDL = regexp.MustCompile(`^([a-z]+) (BYTEA|BIGINT|SMALLINT)( NOT NULL| PRIMARY KEY| UNIQUE)?$`)
)

// foreign returns what is wrong with a statement; nil: nothing.
func foreign(sql string, known map[string]table) (out []string) {
	// 1. Words.
	words := map[string]bool{}
	for _, w := range grammar() {
		words[w] = true
	}
	names := map[string]bool{"ov_schema": true, "version": true, "records_changes": true, // and the aliases of the statements
		"k": true, "r": true, "v": true, "advanced": true, "answered": true, "signed": true, "stored": true}
	for name, t := range known {
		names[name] = true
		for _, c := range t.columns {
			names[c] = true
		}
	}
	params := map[int]bool{}
	for _, tok := range sqlToken.FindAllString(sql, -1) {
		switch n, err := strconv.Atoi(strings.TrimPrefix(tok, "$")); {
		case words[tok] || names[tok]:
		case tok[0] == '$' && err == nil:
			params[n] = true
		case err == nil && n > 1:
			out = append(out, fmt.Sprintf("the number %d", n))
		case err == nil, strings.Contains("( ) , . = < > <= >= + - * :: []", tok):
		default:
			out = append(out, fmt.Sprintf("%q", tok))
		}
	}
	for n := range len(params) {
		if !params[n+1] {
			out = append(out, fmt.Sprintf("parameters without $%d", n+1))
		}
	}
	// 2. Each table is changed at most once: CockroachDB's rule for WITH.
	changed := map[string]bool{}
	for _, m := range mutation.FindAllStringSubmatch(sql, -1) {
		if changed[m[1]] {
			out = append(out, "changes "+m[1]+" twice")
		}
		changed[m[1]] = m[1] != "SET" // of DO UPDATE SET
	}
	// 3. ON CONFLICT: with nothing to do, or on the whole primary key.
	if strings.Count(sql, "CONFLICT") != len(conflict.FindAllString(sql, -1)) {
		out = append(out, "another form of ON CONFLICT")
	}
	if m := conflict.FindStringSubmatch(sql); m != nil && (m[1] != "" || m[2] == "UPDATE") {
		if t := known[mutation.FindStringSubmatch(sql)[1]]; m[1] != strings.Join(t.key, ", ") {
			out = append(out, "ON CONFLICT on another key than "+strings.Join(t.key, ", "))
		}
	}
	for _, star := range []string{"RETURNING *", "SELECT *"} {
		if strings.Contains(sql, star) {
			out = append(out, star)
		}
	}
	// 4. By key: no statement goes through all vaults.
	if strings.HasPrefix(sql, "CREATE") {
		return append(out, foreignDDL(sql)...)
	}
	if strings.Contains(sql, "ov_schema") || strings.HasPrefix(sql, "INSERT") {
		return out
	}
	if !keyed.MatchString(sql) {
		out = append(out, "goes through all vaults")
	}
	if strings.Contains(sql, "LIMIT") && !sorted.MatchString(sql) {
		out = append(out, "LIMIT without an order")
	}
	return out
}

// foreignDDL is foreign for what makes tables: bytes and integers only, nothing
// that the database makes up, and keys that begin with a random id: numbers and
// times that only grow would put all writes into one range.
func foreignDDL(sql string) (out []string) {
	if !strings.Contains(sql, "IF NOT EXISTS") {
		out = append(out, "cannot be run twice")
	}
	if strings.Contains(sql, "ov_schema") {
		return out
	}
	if on, ok := strings.CutPrefix(sql, "CREATE INDEX IF NOT EXISTS "); ok {
		if !strings.Contains(on, "(vault, ") {
			out = append(out, "an index that does not begin with the vault")
		}
		return out
	}
	_, body, _ := strings.Cut(sql, "(")
	body, key, composite := strings.Cut(body, ", PRIMARY KEY (")
	if composite != strings.HasPrefix(key, "vault, ") || !composite && !strings.Contains(body, "id BYTEA PRIMARY KEY") {
		out = append(out, "a primary key that does not begin with a random id")
	}
	for _, c := range strings.Split(strings.TrimRight(body, ")"), ",") {
		if c = strings.TrimSpace(c); !columnDDL.MatchString(c) {
			out = append(out, fmt.Sprintf("the column %q", c))
		}
	}
	return out
}

func ddl() (out []string) {
	for _, m := range migrations() {
		out = append(out, m...)
	}
	return out
}

// everywhere are the statements that go through all vaults, with the reason.
func everywhere() map[string]string {
	return map[string]string{qCount: "asked for with max_vaults alone, before a new vault"}
}

// The statements keep to what three databases have in common.
func TestPortableSQL(t *testing.T) {
	known := tables(ddl())
	if len(known) != 5 || len(statements()) < 40 {
		t.Fatalf("%d tables, %d statements", len(known), len(statements()))
	}
	for name, want := range map[string]string{"vaults": "id", "records": "vault, kind, id, version", "notes": "vault, kind, id"} {
		if got := strings.Join(known[name].key, ", "); got != want {
			t.Errorf("key of %s: %q", name, got)
		}
	}
	for _, sql := range statements() {
		what := foreign(sql, known)
		if everywhere()[sql] != "" {
			what = slices.DeleteFunc(what, func(s string) bool { return s == "goes through all vaults" })
		}
		if len(what) > 0 {
			t.Errorf("%s in %s", strings.Join(what, "; "), sql)
		}
	}
}

// What is not common to the three is found.
func TestPortableSQLFinds(t *testing.T) {
	known := tables(ddl())
	for _, sql := range []string{
		// 1. What only one of them has, or means otherwise.
		`SELECT seq FROM vaults WHERE id = $1 FOR UPDATE`, `SELECT id FROM vaults WHERE id = $1 FOR UPDATE SKIP LOCKED`, `SELECT pg_advisory_xact_lock($1)`,
		`LISTEN changes`, `NOTIFY changes`, `LOCK TABLE vaults`, `SAVEPOINT a`, `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`, `BEGIN ISOLATION LEVEL READ COMMITTED`,
		`TRUNCATE vaults`, `COPY vaults FROM STDIN`, `MERGE INTO vaults USING notes ON id = $1 WHEN MATCHED THEN DELETE`, `SELECT nextval($1)`,
		`SELECT body FROM notes WHERE vault = 'x'`, `SELECT "body" FROM notes WHERE vault = $1`, `SELECT body FROM notes WHERE vault = $1; SELECT seq FROM vaults`,
		`SELECT body FROM notes WHERE vault = $1 -- all`, `SELECT now()`, `SELECT encode(body, $2) FROM notes WHERE vault = $1`, `SELECT ctid FROM notes WHERE vault = $1`,
		`SELECT body FROM notes WHERE vault = $1 AND id = ANY ($2)`, `SELECT body FROM notes WHERE vault = $1 LIMIT 100`, `DELETE FROM notes WHERE vault = $1 LIMIT 1`,
		`SELECT n.body FROM vaults AS v, LATERAL (SELECT body FROM notes WHERE vault = v.id) AS n WHERE v.id = $1`, `SELECT id FROM vaults AS OF SYSTEM TIME $1`,
		`SELECT body FROM notes WHERE vault = $2`, `SELECT * FROM notes WHERE vault = $1`, `DELETE FROM notes WHERE vault = $1 RETURNING *`, `select body from notes where vault = $1`,
		// 2, 3. Changes.
		`WITH stored AS (UPDATE vaults SET seq = $1 WHERE id = $2 RETURNING id) UPDATE vaults SET records = $3 WHERE id = $2`,
		`INSERT INTO notes (vault) VALUES ($1) ON CONFLICT ON CONSTRAINT notes_pkey DO NOTHING`, `INSERT INTO notes (vault) VALUES ($1) ON CONFLICT (vault) DO NOTHING`,
		`INSERT INTO notes (vault) VALUES ($1) ON CONFLICT (vault, kind, id) WHERE kind = 1 DO NOTHING`, `INSERT INTO notes (vault) VALUES ($1) ON CONFLICT DO UPDATE SET body = $2`,
		`INSERT INTO notes (vault) VALUES ($1) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, `UPSERT INTO notes (vault) VALUES ($1)`,
		// 4. All vaults.
		`DELETE FROM answers WHERE time < $1`, `SELECT seq FROM vaults`, `UPDATE vaults SET seq = $1`, `SELECT id FROM vaults WHERE id > $1 LIMIT $2`,
		// 5. Tables.
		`CREATE TABLE a (id BYTEA PRIMARY KEY)`, `CREATE TABLE IF NOT EXISTS notes (id BIGSERIAL PRIMARY KEY)`, `CREATE TABLE IF NOT EXISTS notes (id BYTEA PRIMARY KEY, body TEXT)`,
		`CREATE TABLE IF NOT EXISTS notes (vault BYTEA NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (time, vault))`, `CREATE TABLE IF NOT EXISTS notes (id BYTEA PRIMARY KEY, body JSONB)`,
		`CREATE TABLE IF NOT EXISTS notes (id BYTEA PRIMARY KEY, time TIMESTAMPTZ)`, `CREATE TABLE IF NOT EXISTS notes (id BYTEA PRIMARY KEY, seq BIGINT GENERATED ALWAYS AS IDENTITY)`,
		`CREATE TABLE IF NOT EXISTS notes (id BYTEA PRIMARY KEY, seq BIGINT DEFAULT 0)`, `CREATE TABLE IF NOT EXISTS notes (vault BYTEA NOT NULL)`, `CREATE TABLE IF NOT EXISTS notes (seq BIGINT PRIMARY KEY)`,
		`CREATE INDEX IF NOT EXISTS records_changes ON manifests (time)`, `CREATE INDEX CONCURRENTLY IF NOT EXISTS records_changes ON manifests (vault, time)`,
		`CREATE INDEX IF NOT EXISTS records_changes ON manifests USING gin (vault, body)`, `CREATE SEQUENCE IF NOT EXISTS seq`, `CREATE TYPE kind AS ENUM ()`,
	} {
		if len(foreign(sql, known)) == 0 {
			t.Errorf("nothing is wrong with %s", sql)
		}
	}
}

// Every statement is one of statements.go and is linted, and no transaction asks
// for an isolation but the snapshot that a backup reads: all else holds at any.
func TestStatementsAreAll(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	linted := map[string]bool{}
	for _, sql := range statements() {
		linted[sql] = true
	}
	isolations := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					checkLiteral(t, name, n.Value, linted)
				}
			case *ast.KeyValueExpr:
				if k, ok := n.Key.(*ast.Ident); ok && k.Name == "IsoLevel" {
					isolations[fmt.Sprint(n.Value.(*ast.SelectorExpr).Sel)] = true
				}
			}
			return true
		})
	}
	if got := slices.Collect(maps.Keys(isolations)); len(got) != 1 || got[0] != "RepeatableRead" {
		t.Errorf("isolations %v", got)
	}
	if len(linted) > 0 {
		t.Errorf("%d statements are not found in the source", len(linted))
	}
}

var statementStart = regexp.MustCompile(`(?i)^\s*(SELECT|INSERT|UPDATE|DELETE|UPSERT|WITH|CREATE|ALTER|DROP|SET|SHOW|BEGIN|LOCK|TRUNCATE|COPY|MERGE|LISTEN|NOTIFY|VACUUM|EXPLAIN)\s`)

// checkLiteral fails for a literal that is a statement and not one of linted,
// from which it is taken.
func checkLiteral(t *testing.T, file, literal string, linted map[string]bool) {
	t.Helper()
	s, err := strconv.Unquote(literal)
	if err != nil || !statementStart.MatchString(s) {
		return
	}
	if file != "statements.go" || !linted[s] {
		t.Errorf("%s: a statement that is not linted: %s", file, s)
	}
	delete(linted, s)
}

// No statement reads a whole table: PostgreSQL finds an index, and a condition
// on it, for each, whatever its arguments.
func TestNoFullScan(t *testing.T) {
	dsn := suite.DSN(t)
	open(t, dsn)
	conn := direct(t, dsn)
	run(t, conn, `SET plan_cache_mode = force_generic_plan`)
	run(t, conn, `SET enable_seqscan = off`)
	seen := 0
	for i, sql := range statements() {
		if strings.HasPrefix(sql, "CREATE") {
			continue
		}
		name := fmt.Sprintf("s%d", i)
		run(t, conn, "PREPARE "+name+" AS "+sql)
		params := 0
		for n := range 30 {
			if strings.Contains(sql, fmt.Sprintf("$%d", n+1)) {
				params = n + 1
			}
		}
		args := ""
		if params > 0 {
			args = "(" + strings.TrimSuffix(strings.Repeat("NULL,", params), ",") + ")"
		}
		rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE "+name+args)
		if err != nil {
			t.Fatal(sql, err)
		}
		var plan []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(sql, err)
		}
		all := strings.Join(plan, "\n")
		scans, conditions := strings.Count(all, "Index Scan")+strings.Count(all, "Index Only Scan"), strings.Count(all, "Index Cond")
		if strings.Contains(all, "Seq Scan") || scans != conditions && everywhere()[sql] == "" {
			t.Errorf("%s\n%s", sql, all)
		}
		seen += scans
	}
	if seen < 25 {
		t.Errorf("%d scans of an index in all", seen)
	}
}
