package audit

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// macSize is the size of the chain's MACs.
const macSize = sha256.Size

// keys are what one vault key gives the log.
type keys struct {
	id    string // names the key in the log
	chain []byte // MACs lines
	name  []byte // hides names
	mark  []byte // MACs the mark
	epoch []byte // seals the epochs' signing keys
}

func newKeys(master []byte) *keys {
	sub := func(use string) []byte {
		k, err := hkdf.Expand(sha256.New, master, "ov/v1/audit/"+use, 32)
		if err != nil {
			panic("audit: HKDF: " + err.Error()) // 32 bytes are always possible
		}
		return k
	}
	return &keys{id: hex.EncodeToString(sub("id")[:4]), chain: sub("chain"), name: sub("name"), mark: sub("mark"), epoch: sub("epoch")}
}

func (k *keys) wipe() {
	for _, b := range [][]byte{k.chain, k.name, k.mark, k.epoch} {
		clear(b)
	}
}

// hide is what stands in the log for a name: 16 bytes of HMAC, hex.
func (k *keys) hide(name string) string {
	h := hmac.New(sha256.New, k.name)
	h.Write([]byte(name))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
