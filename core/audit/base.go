package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// baseFile lies beside a log whose first files were removed.
const baseFile = "base"

// A base is where what is left of a pruned log begins: the state of the chain at
// the end of what was removed. It is MACed with a key of the vault, and named by a
// line of the log itself, see pruneLine: without both, records that are missing
// were removed by somebody else.
type base struct {
	Base    string    `json:"base"` // id of the log
	Time    time.Time `json:"t"`
	By      string    `json:"by"`  // id of the key that MACs this line
	Key     string    `json:"key"` // id of the key of the lines that are left
	File    uint64    `json:"file"`
	Lines   uint64    `json:"lines"`   // removed, over all times
	Records uint64    `json:"records"` // of these
	Epoch   uint64    `json:"epoch"`   // the first that is left
	Newest  time.Time `json:"newest"`  // of what was removed
	Last    string    `json:"last"`    // MAC of the last line removed, hex
	Tree    []string  `json:"tree"`    // right edge of the tree over them, base64
	Next    string    `json:"next"`    // verifier of Epoch
	Note    string    `json:"note"`    // the checkpoint that covers what was removed

	digest string
	mac    [macSize]byte // Last
	edge   tree          // Tree
}

// A pruneLine is the record of a prune in the log: it names the base that the log
// has from then on.
type pruneLine struct {
	Prune   string    `json:"prune"` // digest of the base
	Time    time.Time `json:"t"`
	Records uint64    `json:"records"` // removed, over all times
	Newest  time.Time `json:"newest"`
	Last    string    `json:"last"`
	Note    string    `json:"note"`
}

// line is b as it is stored.
func (b *base) line(by *keys) []byte {
	body := marshal(b)
	line, _ := appendLine(nil, body, hmac.New(sha256.New, by.chain), [macSize]byte{})
	b.digest = digestOf(body[:len(body)-1])
	return line
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// readBase returns the base of the log in dir, nil when it has none.
func readBase(dir string, keys []*keys) (*base, error) {
	text, err := readFile(filepath.Join(dir, baseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, ok := parseBase(text, keys)
	if !ok {
		return nil, fmt.Errorf("the record of what was pruned was altered: %w", ErrBroken)
	}
	return b, nil
}

func parseBase(text []byte, keys []*keys) (*base, bool) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, false
	}
	body, mac, ok := splitLine(text[:len(text)-1])
	b := &base{}
	if !ok || json.Unmarshal(text, b) != nil || b.File < 2 {
		return nil, false
	}
	for _, k := range keys {
		if k.id == b.By && chain(hmac.New(sha256.New, k.chain), [macSize]byte{}, body) == mac {
			b.digest = digestOf(body)
			return b, b.unpack()
		}
	}
	return nil, false
}

// unpack reads the parts that are text.
func (b *base) unpack() bool {
	last, err := hex.DecodeString(b.Last)
	if err != nil || len(last) != macSize {
		return false
	}
	copy(b.mac[:], last)
	for _, t := range b.Tree {
		h, err := tlog.ParseHash(t)
		if err != nil {
			return false
		}
		b.edge = append(b.edge, h)
	}
	return true
}

// pack is unpack's other way.
func (b *base) pack() {
	b.Last = hex.EncodeToString(b.mac[:])
	b.Tree = nil
	for _, h := range b.edge {
		b.Tree = append(b.Tree, base64.StdEncoding.EncodeToString(h[:]))
	}
}

// first is the number of the first file of a log with this base.
func (b *base) first() uint64 {
	if b == nil {
		return 1
	}
	return b.File
}

// base reads the base that the log has now.
func (l *Log) base() (*base, error) {
	l.mu.Lock()
	keys := l.keys
	l.mu.Unlock()
	if keys == nil {
		return nil, ErrClosed
	}
	return readBase(l.dir, keys)
}
