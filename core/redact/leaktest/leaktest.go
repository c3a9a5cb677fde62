// Package leaktest is the leak table: the shapes in which real programs print a
// secret, each with the lane that has to catch it. The tests run it whole, byte
// by byte and at every cut; `ov selftest leak` runs it for a configuration.
package leaktest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// Canaries are the secrets that the shapes print. None is in use anywhere.
type Canaries struct {
	Token    string // 32 letters and digits
	Password string // with every character that some format escapes
	Key      string // of several lines, in PEM
	URL      string // of a database, with a password that is percent-encoded
	Document string // JSON with a key in it
	GitHub   string // of 40 characters
	Accented string // with letters that are not ASCII
	Phrase   string // nothing but words
	Short    string // of seven characters
}

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	armour   = "PRIVATE KEY-----\n"
)

// NewCanaries makes canaries of random characters.
func NewCanaries(r *rand.Rand) Canaries {
	of := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	c := Canaries{Token: of(32), Password: of(4) + `"` + of(3) + `'` + of(3) + `<&>` + of(3) + `\` + of(3) + `/ %` + of(3) + `+=$` + of(4) + "é;" + of(4)}
	c.Key = "-----BEGIN " + armour + of(64) + "\n" + of(64) + "\n" + of(20) + "==\n-----END " + armour
	c.URL = "postgres://app:" + of(8) + "%40" + of(6) + "@db.internal:5432/orders"
	c.Document = `{"type":"service_account","private_key":"-----BEGIN ` + strings.ReplaceAll(armour, "\n", `\n`) + of(64) + `\n` + of(40) + `\n-----END ` +
		strings.ReplaceAll(armour, "\n", `\n`) + `","client_email":"deploy@acme.example"}`
	c.GitHub = "ghp_" + of(36)
	c.Accented = of(5) + "é" + of(4) + "ñ" + of(4) + "ÿ" + of(5)
	c.Phrase = passphrase(r)
	c.Short = "k" + of(5) + "7"
	return c
}

// passphrase returns four words.
func passphrase(r *rand.Rand) string {
	list := []string{"simple", "window", "yellow", "market", "garden", "winter", "silver", "planet", "letter", "basket", "dragon", "castle", "button", "forest"}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return strings.Join(list[:4], " ")
}

// password returns that of the URL, decoded.
func (c Canaries) password() string {
	_, rest, _ := strings.Cut(c.URL, "app:")
	pass, _, _ := strings.Cut(rest, "@")
	return strings.ReplaceAll(pass, "%40", "@")
}

// Needles returns the canaries as needles.
func (c Canaries) Needles() []redact.Needle {
	return []redact.Needle{
		{Name: "TOKEN", Value: secret.New([]byte(c.Token))},
		{Name: "PASSWORD", Value: secret.New([]byte(c.Password))},
		{Name: "KEY", Value: secret.New([]byte(c.Key))},
		{Name: "URL", Value: secret.New([]byte(c.URL))},
		{Name: "DOCUMENT", Value: secret.New([]byte(c.Document))},
		{Name: "GITHUB", Value: secret.New([]byte(c.GitHub))},
		{Name: "ACCENTED", Value: secret.New([]byte(c.Accented))},
		{Name: "PHRASE", Value: secret.New([]byte(c.Phrase))},
		{Name: "SHORT", Value: secret.New([]byte(c.Short))},
	}
}

// A Shape is one way in which programs print a secret.
type Shape struct {
	Name string
	Lane redact.Lanes // the lanes that catch it together
	// Print returns what the program prints, with a \x01 before and a \x02
	// after what has to be masked, and nothing else may be, unless it lies
	// between a \x03 and a \x04.
	Print func(Canaries) string

	rows bool // what it prints is put together from rows
}

// A Result is what became of a shape. It holds nothing of the secret.
type Result struct {
	Shape  string
	Lane   redact.Lanes
	Caught bool
	Left   int // bytes that should have been masked and were not
	Extra  int // bytes that were masked and should not have been
}

// Run prints each shape through a writer that masks the canaries with the given
// options, and reports what became of it.
func Run(c Canaries, o redact.Options) ([]Result, error) {
	set, err := redact.Compile(c.Needles(), o)
	if err != nil {
		return nil, fmt.Errorf("compile the canaries: %w", err)
	}
	var all []Result
	for _, s := range Shapes() {
		t := Parse(s.Print(c))
		masked, err := Masked(set, t.Text)
		if err != nil {
			return nil, fmt.Errorf("print shape %q: %w", s.Name, err)
		}
		r := Result{Shape: s.Name, Lane: s.Lane}
		r.Left, r.Extra = t.Compare(masked)
		r.Caught = r.Left == 0
		all = append(all, r)
	}
	return all, nil
}

// Masked writes text to a masking writer, in the pieces given by cuts, and
// returns which of its bytes were masked.
func Masked(set *redact.Set, text []byte, cuts ...int) ([]bool, error) {
	masked := make([]bool, len(text))
	w := redact.NewWriter(io.Discard, set, func(m redact.Mask) {
		for i := m.Start; i < m.End; i++ {
			masked[i] = true
		}
	})
	at := 0
	for _, cut := range append(cuts, len(text)) {
		if _, err := w.Write(text[at:cut]); err != nil {
			return nil, err
		}
		at = cut
	}
	return masked, w.Close()
}

// A Text is what a shape prints, and which of its bytes must be masked and may be.
type Text struct {
	Text      []byte
	Must, May []bool
}

// Parse takes the marks out of what a shape prints.
func Parse(marked string) Text {
	var t Text
	must, may := false, 0
	for _, c := range []byte(marked) {
		switch c {
		case 1, 2:
			must = c == 1
		case 3, 4:
			may += 7 - 2*int(c) // 1 or -1
		default:
			t.Text = append(t.Text, c)
			t.Must = append(t.Must, must)
			t.May = append(t.May, must || may > 0)
		}
	}
	return t
}

// Compare counts the bytes that are not masked and must be, and those that are
// and may not be.
func (t Text) Compare(masked []bool) (left, extra int) {
	for i, m := range masked {
		if t.Must[i] && !m {
			left++
		}
		if m && !t.May[i] {
			extra++
		}
	}
	return left, extra
}

// Report writes a table of results, and returns how many shapes were not caught.
func Report(w io.Writer, results []Result) (missed int, err error) {
	var b bytes.Buffer
	width := 0
	for _, r := range results {
		width = max(width, len(r.Shape))
	}
	for _, r := range results {
		state := "caught"
		if !r.Caught {
			state = fmt.Sprintf("LEAKED, %d bytes", r.Left)
			missed++
		}
		fmt.Fprintf(&b, "%s%s  %-18s  %s\n", r.Shape, strings.Repeat(" ", width-len(r.Shape)), r.Lane, state)
	}
	fmt.Fprintf(&b, "%d of %d shapes caught\n", len(results)-missed, len(results))
	_, err = w.Write(b.Bytes())
	return missed, err
}
