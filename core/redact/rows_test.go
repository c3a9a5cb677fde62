package redact

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plainRow is a row of a whole stream.
type plainRow struct {
	start, end int // of the line, or of what is read of it
	column     int // where its column of characters begins, or end
	full, done bool
}

// plainRows is the view of rows of a whole stream, line by line.
type plainRows struct {
	text   []byte
	origin []int
	all    []plainRow
}

var (
	offsets = regexp.MustCompile(`^[ \t|>#+*-]{0,8}(0[0-9a-fA-F]{3,15}|0x[0-9a-fA-F]{4,16})[: \t\r]`)
	partly  = regexp.MustCompile(`^[ \t|>#+*-]{0,8}(0[0-9a-fA-F]{0,15}|0x[0-9a-fA-F]{0,16})?$`)
	aWord   = regexp.MustCompile(`[^ \t\r]+`)
	aPair   = regexp.MustCompile(`^[0-9a-fA-F]{2}$`)
)

func rowsOf(stream []byte) plainRows {
	v := plainRows{}
	before := 0
	for start := 0; start < len(stream); {
		n := bytes.IndexByte(stream[start:], '\n')
		ends := n >= 0
		if !ends {
			n = len(stream) - start
		}
		line := string(stream[start : start+n])
		lead := offsets.FindString(line)
		next := 0
		if lead != "" {
			next = v.row(line, lead, start, ends, before)
		}
		if ends && next == 0 || lead == "" && !partly.MatchString(line) || next < 0 {
			v.rift()
		}
		before = max(next, 0)
		start += n + 1
	}
	return v
}

// row adds a row. It returns its size, or 0 if the dump does not go on, or -1 if
// it stops to be a row.
func (v *plainRows) row(line, lead string, start int, ends bool, before int) int {
	r := plainRow{start: start, end: start + len(line), done: ends}
	stop := min(len(line), maxRow)
	words, no, column := dataOf(line[:stop], lead)
	if no >= 0 {
		stop = no
	}
	broken := stop < len(line)
	if broken {
		r.done, r.end = true, start+stop
	}
	if r.column = r.end; column >= 0 {
		r.column, r.done = start+column, true
	}
	kept, count := 0, 0
	for _, w := range words {
		count++
		for i := w[0]; i < w[1]; i++ {
			if alphanumeric(int(line[i])) {
				kept++
				v.text, v.origin = append(v.text, strings.ToLower(line[i : i+1])[0]), append(v.origin, start+i)
			}
		}
	}
	r.full = kept >= 16 || count >= 8
	v.all = append(v.all, r)
	switch {
	case broken:
		return -1
	case kept > 0 && len(line) >= before:
		return len(line)
	}
	return 0
}

var (
	fourDigits = regexp.MustCompile(`^[ \t|>#+*-]{0,8}(0[0-9a-fA-F]{3}|0x[0-9a-fA-F]{4}):$`)
	aNumber    = regexp.MustCompile(`^(0x)?[0-9a-fA-F]*$`)
)

// dataOf returns the words of the data of a row, where it stops to be one, or -1,
// and where its column of characters begins, or -1.
func dataOf(line, lead string) (data [][]int, no, column int) {
	colon := strings.HasSuffix(lead, ":")
	words := aWord.FindAllStringIndex(line, -1)
	pairs := true
	for _, w := range words {
		if w[1] <= len(lead) {
			continue
		}
		w[0] = max(w[0], len(lead))
		word := line[w[0]:w[1]]
		if k := len(data); k > 0 {
			before := data[k-1]
			gap := w[0] - before[1]
			pairs = pairs && (k > 1 || gap == 1) && aPair.MatchString(line[before[0]:before[1]])
			sign, wide := word[0] == '|' || word[0] == '>', data[0][1]-data[0][0] > 1
			if gap >= 2 && (colon || sign && wide) || pairs && (gap >= 3 || gap == 2 && k != 8 || k == 16 && fourDigits.MatchString(lead)) {
				return data, -1, w[0]
			}
		}
		data = append(data, w)
		for n := 4; n <= len(word); n++ {
			if !aNumber.MatchString(word[:n]) {
				data[len(data)-1] = []int{w[0], w[0] + n - 1}
				return data, w[0] + n - 1, -1
			}
		}
	}
	return data, -1, -1
}

func (v *plainRows) rift() {
	if n := len(v.text); n > 0 && v.text[n-1] != rift {
		v.text, v.origin = append(v.text, rift), append(v.origin, -1)
	}
}

// of returns the row of a byte of the stream.
func (v *plainRows) of(at int) *plainRow {
	for k := range v.all {
		if r := &v.all[k]; r.start <= at && at < max(r.end, r.start+1) {
			return r
		}
	}
	return nil
}

func (v *plainRows) opens(i int) bool {
	if v.text[i] == rift {
		return false
	}
	r := v.of(v.origin[i])
	return r.full || !r.done
}

func rowSpansIn(c *collector, stream []byte, final bool) (spans []span, hold int) {
	v := rowsOf(stream)
	found, h := c.view.spansIn(v.text, final, v.opens, func(i int) int { return i })
	hold = len(stream)
	if h < len(v.text) {
		hold = v.origin[h]
	}
	ends := map[*plainRow]form{}
	for _, s := range found {
		r := v.of(v.origin[s.end-1])
		if who, is := ends[r]; !is || (span{who: s.who}).order(span{who: who}) < 0 {
			ends[r] = s.who
		}
		spans = append(spans, span{start: int64(v.origin[s.start]), end: int64(v.origin[s.end-1]) + 1, who: s.who})
	}
	for r, who := range ends {
		if r.column < r.end {
			spans = append(spans, span{start: int64(r.column), end: int64(r.end), who: who})
		}
	}
	return spans, hold
}

// dumped prints p as programs do, in rows of n bytes.
func dumped(p, style string, n int) string {
	var b strings.Builder
	for at := 0; at < len(p); at += n {
		row := p[at:min(at+n, len(p))]
		shown := strings.ReplaceAll(row, "\n", ".")
		switch style {
		case "xxd":
			var hex strings.Builder
			for i := 0; i < len(row); i += 2 {
				fmt.Fprintf(&hex, "%x ", row[i:min(i+2, len(row))])
			}
			fmt.Fprintf(&b, "%08x: %-*s %s\n", at, n/2*5, hex.String(), shown)
		case "hexdump":
			fmt.Fprintf(&b, "%08x  %-23s  %-23s  |%s|\n", at, fmt.Sprintf("% x", row[:min(8, len(row))]), fmt.Sprintf("% x", row[min(8, len(row)):]), shown)
		case "od -c":
			fmt.Fprintf(&b, "%07o", at)
			for _, c := range row {
				fmt.Fprintf(&b, "%4s", strings.ReplaceAll(string(c), "\n", `\n`))
			}
			b.WriteString("\n")
		case "od -tu1":
			fmt.Fprintf(&b, "%07o", at)
			for _, c := range []byte(row) {
				fmt.Fprintf(&b, "%4d", c)
			}
			b.WriteString("\n")
		case "gdb":
			fmt.Fprintf(&b, "0x7ffe%08x:", at)
			for _, c := range []byte(row) {
				fmt.Fprintf(&b, "\t0x%02x", c)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestRows holds dumps against the oracle at every cut: whatever stands before
// the value, of any length, and however long the rows are.
func TestRows(t *testing.T) {
	const value = "Zq8kP2mW7vXc5RtY"
	needles := []Needle{needle("A", value)}
	for _, c := range []struct {
		style, before string
		n             int
	}{
		{"xxd", "", 16}, {"xxd", "a=", 16}, {"xxd", "password=", 16}, {"xxd", "password=", 8}, {"hexdump", "a=", 16}, {"hexdump", "pw is here:   ", 16},
		{"od -c", "x", 16}, {"od -c", "pw is here:   ", 16}, {"gdb", "a=", 8}, {"gdb", "password=", 16},
		{"od -tu1", "aa=", 16}, {"od -tu1", "=========", 16},
	} {
		stream := []byte("$ dump\n" + dumped(c.before+value+"\nB=1\n", c.style, c.n) + "$ ")
		cuts := everyCut(len(stream))
		few := [][]int{nil, cuts[len(cuts)-1]}
		for i := 1; i < len(cuts)-1; i += 5 {
			few = append(few, cuts[i])
		}
		checkStream(t, needles, Options{}, stream, few...)
	}
}

// TestRowsAtRandom puts lines together of what rows are made of, and cuts them.
func TestRowsAtRandom(t *testing.T) {
	const value = "Zq8kP2mW7vXc5RtY"
	needles := []Needle{needle("A", value)}
	pieces := []string{
		"0000000", "00000010:", "0x0010:", "0020:", "0", "> ", "\n", "\n", "\n", "\r\n", " ", "  ", "   ", "\t", "|", " >", "5a71 ", "386b ", "  Z", "   q", "   8   k", "5a", " 71",
		" 38 6b 50 32 6d 57 37 76", "  58 63 35 52 74 59", "6b38715a", "word", "0x5a", " 0x71", value, value[:7], value[7:], "\x1b[1m", "x", strings.Repeat(" 71", 16), strings.Repeat("=", 500),
	}
	r := rand.New(rand.NewPCG(77, 78))
	rounds := 400
	if testing.Short() {
		rounds = 40
	}
	for range rounds {
		var b []byte
		for range 1 + r.IntN(14) {
			b = append(b, pieces[r.IntN(len(pieces))]...)
			if r.IntN(5) == 0 {
				b = append(b, dumped(strings.Repeat("x", r.IntN(15))+value, []string{"xxd", "hexdump", "od -c"}[r.IntN(3)], 8)...)
			}
		}
		cut := []int{r.IntN(len(b) + 1), r.IntN(len(b) + 1), r.IntN(len(b) + 1)}
		slices.Sort(cut)
		checkStream(t, needles, Options{}, b, nil, cut)
	}
}

// TestNumberedLines: of text whose lines begin with numbers nothing is held back,
// though each ends as a row might in whose next one a value goes on.
func TestNumberedLines(t *testing.T) {
	s := setFor(t, "Zq8kP2mW7vXc5RtY", Options{})
	for _, line := range []string{
		"0001 okZ\n", "0002: a bZ\n", "0010 waiting for AZ\n", "0011 abc, xyZ\n", "00000010: 65a\n", "0000020\n", "0600 -rwZ\n",
	} {
		w := NewWriter(io.Discard, s, nil)
		if _, err := w.Write([]byte("0000 start\n" + line)); err != nil || w.Held() != 0 {
			t.Errorf("%q: %d bytes are held, %v", line, w.Held(), err)
		}
	}
}

// TestRowsLeft: of a value nothing remains in a dump, whatever stands before it.
func TestRowsLeft(t *testing.T) {
	const value = "Zq8kP2mW7vXc5RtY"
	s := setFor(t, value, Options{})
	for _, style := range []string{"xxd", "hexdump", "od -c", "od -tu1", "gdb"} {
		for before := range 16 {
			text := dumped(strings.Repeat("=", before)+value+"\n", style, 16)
			var out bytes.Buffer
			w := NewWriter(&out, s, nil)
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "[REDACTED:A]") {
				t.Errorf("%s behind %d bytes is not masked: %q", style, before, out.String())
			}
			for i := range len(value) - 1 {
				if strings.Contains(out.String(), value[i:i+2]) || strings.Contains(out.String(), string(value[i])+"   "+value[i+1:i+2]) {
					t.Errorf("%s behind %d bytes shows %q: %q", style, before, value[i:i+2], out.String())
				}
			}
		}
	}
}

// TestRiftOpensNothing: a rift is no byte of the stream, and nothing may start with
// it, though a filter that goes by hashes may ask.
func TestRiftOpensNothing(t *testing.T) {
	w := newWriter(io.Discard, setFor(t, "Zq8kP2mW7vXc5RtY", Options{}), nil)
	w.view.build([]byte(strings.Repeat(" ", maxGap+1)+"Zq8k"), w.edge)
	if text := w.view.text; len(text) != 5 || text[0] != rift || w.view.opens(0) || !w.view.opens(1) {
		t.Errorf("view %q: a rift opens a match, or the value does not", text)
	}
}
