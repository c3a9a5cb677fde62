package seal

import "github.com/opaquevault/ov/core/lp"

// LP joins parts, each behind its length as 4 big-endian bytes.
func LP(parts ...[]byte) []byte { return lp.Join(parts...) }
