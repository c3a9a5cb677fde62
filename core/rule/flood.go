package rule

// A keyword costs what its scanner reads of the window. Windows that overlap are
// read again and again: a stream of nothing but "password:" would cost hundreds
// of reads a byte. So each rule has an account of the bytes that it read again.
// When it is overdrawn, its next keywords are not judged: what they could mask is
// masked. All of it depends on the bytes of the stream alone, so keywords of one
// rule are judged in their order.
const (
	allowance = 1       // bytes that a rule may read again for each byte of the stream
	overdraft = 4 << 10 // and at most at once
	leeway    = 16      // times as many for a rule that does not say what it read: it may have been little
)

// Flooded is the label of a finding that was masked unjudged.
const Flooded = "flood"

// An account is what a stream remembers of a rule.
type account struct {
	seen    int64 // the last keyword; -1 before any
	at      int64 // the last keyword judged; -1 before any
	read    int64 // bytes before it have been read
	debt    int64 // bytes read again and not yet earned back
	waiting int   // keywords that are not judged yet
	open    int64 // start of the last finding that was carried on; -1 before any
	end     int64 // and its end
}

// earn returns the debt by the time of a keyword at at.
func (a *account) earn(e *entry, at int64) int64 {
	return max(0, a.debt-e.allowance*max(0, at-a.at))
}

// charge enters that a keyword was judged by the bytes up to read.
func (a *account) charge(e *entry, at, read int64) {
	if at != a.at { // another keyword of the rule may start at the same place
		a.debt = a.earn(e, at) + max(0, min(read, a.read)-at)
	}
	a.at, a.read = max(a.at, at), max(a.read, read)
}

// account returns that of a rule.
func (s *Stream) account(rule int) *account {
	if s.accounts == nil {
		s.accounts = make([]account, len(s.set.rules))
		for i := range s.accounts {
			s.accounts[i].seen, s.accounts[i].at, s.accounts[i].open = -1, -1, -1
		}
	}
	return &s.accounts[rule]
}

// drown masks what a keyword could, unjudged: as far as its scanner would see, and
// on from there as an open span goes on.
func (s *Stream) drown(c candidate, b []byte, final bool) {
	e := &s.set.rules[c.rule]
	a := s.account(c.rule)
	a.debt, a.at = a.earn(e, c.at), max(a.at, c.at)
	end := c.at + int64(e.Need)
	f := s.flooded(c)
	if f == nil {
		s.insert(finding{start: c.from, end: end, rule: c.rule, label: Flooded})
		f = s.flooded(c)
	}
	f.end, f.limit = max(f.end, end), max(f.limit, end+int64(e.Max))
	f.wait, f.state, f.open = f.end, 0, e.Swallow != nil || e.Follow != nil
	s.extend(f, b, final)
}

// flooded returns the finding of a flood that a keyword is in.
func (s *Stream) flooded(c candidate) *finding {
	for i := len(s.found) - 1; i >= 0; i-- {
		f := &s.found[i]
		if f.start <= c.from && f.rule == c.rule && f.label == Flooded && f.end >= c.from {
			return f
		}
	}
	return nil
}
