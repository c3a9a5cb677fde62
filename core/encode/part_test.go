package encode

import (
	"slices"
	"testing"
)

// kinds returns the forms of one kind.
func kinds(forms []Form, kind string) []string {
	var all []string
	for _, f := range forms {
		if f.Kind == kind {
			all = append(all, string(f.Bytes))
		}
	}
	return all
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		value string
		want  []string
	}{
		{"postgres://app:Zq8kP2mW7v@db.internal/x", []string{"Zq8kP2mW7v"}},
		{"postgres://app:Zq8%40kP2mW%2F7v@db.internal/x", []string{"Zq8%40kP2mW%2F7v", "Zq8@kP2mW/7v"}},
		{"postgres://app:Zq8/kP2@mW?7v@db.internal/x", []string{"Zq8/kP2@mW?7v"}},
		{"postgres://postgres:postgres@localhost/x", nil},
		{"postgres://app:short@localhost/x", nil},
		{"https://Zq8kP2mW7vXcQ9@github.com/acme/app", []string{"Zq8kP2mW7vXcQ9"}},
		{"https://Zq8kP2mW7vXcQ9:x-oauth-basic@github.com/acme", []string{"Zq8kP2mW7vXcQ9:x-oauth-basic"}},
		{"https://db.internal:5432/path@v1.2.3", nil},
		{"redis://:Zq8kP2mW7v@cache:6379", []string{"Zq8kP2mW7v"}},
		{"Server=db;Password=Zq8kP2mW7v;Encrypt=True", []string{"Zq8kP2mW7v"}},
		{"host=db user=app password='Zq8kP2mW7v' sslmode=require", []string{"Zq8kP2mW7v"}},
		{`{"user":"app","password":"Zq8\u0026kP2mW7v"}`, []string{"Zq8&kP2mW7v"}},
		{`{"client_email":"Zq8kP2mW7v@acme.dev","type":"service_account"}`, nil},
		{`[{"token":"Zq8kP2mW7v"},"short"]`, []string{"Zq8kP2mW7v"}},
		{`{broken "token":"Zq8kP2mW7v"`, nil},
		{"Zq8kP2mW7v", nil},
		{"://", nil}, {"a://:@", nil}, {"@://@", nil}, {"Password=", nil},
	} {
		if got := kinds(Exact([]byte(c.value)), "part"); !slices.Equal(got, c.want) {
			t.Errorf("%s: parts %q, want %q", c.value, got, c.want)
		}
	}
}

// TestPartBases: the password that a program decodes from a URL is known in the
// header that it sends it in.
func TestPartBases(t *testing.T) {
	forms := Encoded([]byte("https://app:Zq8%40kP2mW@api.example.com/"))
	if got, want := kinds(forms, "part-base64"), []string{"WnE4QGtQMm1X", "pxOEBrUDJtV", "acThAa1AybV"}; !slices.Equal(got, want) {
		t.Errorf("base64 of the password: %q, want %q", got, want)
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		value string
		want  []string
	}{
		{"one line only", nil},
		{"first-line-secret\nsecond-line-here\n", []string{"first-line-secret", "second-line-here"}},
		{"-----BEGIN KEY-----\r\nZq8kP2mW7vXc\r\nshort\r\n-----END KEY-----", []string{"Zq8kP2mW7vXc"}},
		{"{\n  \"token\": \"Zq8kP2mW7vXc\",\n  \"type\": \"service_account\"\n}\n", []string{`"token": "Zq8kP2mW7vXc",`}},
		{"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: Zq8kP2mW7vXc\n", []string{"token: Zq8kP2mW7vXc"}},
		{"DB_HOST=localhost\nDB_PASSWORD=hunter2\nLOG_LEVEL=debug\n", []string{"DB_PASSWORD=hunter2"}},
		{"- production\n- Zq8kP2mW7vXc\npin: 4921\n", []string{"- Zq8kP2mW7vXc", "pin: 4921"}},
		{"[section]\n============\n**********\nname = words only\n", nil},
		{"\n\n\n", nil},
		{"first: x\n6awGXShEsBrVDe==\nZq8kP2mW7vXc: y\nlast=\n", []string{"6awGXShEsBrVDe==", "Zq8kP2mW7vXc: y"}},
	} {
		if got := kinds(Exact([]byte(c.value)), "line"); !slices.Equal(got, c.want) {
			t.Errorf("%q: lines %q, want %q", c.value, got, c.want)
		}
	}
}

func TestLineEnds(t *testing.T) {
	got := kinds(Exact([]byte("Zq8kP2mW\r\n7vXcQ9tL\r\n")), "line-ends")
	want := []string{"Zq8kP2mW\n7vXcQ9tL", "Zq8kP2mW\r7vXcQ9tL", "Zq8kP2mW 7vXcQ9tL", "Zq8kP2mW7vXcQ9tL"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
