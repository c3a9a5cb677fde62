// Package inode names one state of one file. Two equal names mean: the same
// file, and nobody has written to it, renamed it or changed its mode in between.
package inode

import (
	"io/fs"
	"os"
	"time"
)

// An ID is such a name. "" is none. It is for comparing: what is in it is the
// operating system's matter.
type ID string

// At names the file that path leads to, through links.
func At(path string) (ID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return Of(info), nil
}

// Is reports whether path leads to the file that id names, unchanged.
func (id ID) Is(path string) bool {
	now, err := At(path)
	return err == nil && id != "" && now == id
}

const (
	// tick is how coarse a file's times may be: a jiffy of the slowest kernels,
	// twice. Of two writes within one the second leaves no trace in the times.
	tick  = 20 * time.Millisecond
	tries = 5
)

// Settled is At, once the file's last change is a tick in the past: from then on
// every further change shows. A file that does not come to rest is named as it is.
func Settled(path string) (ID, error) {
	for try := 1; ; try++ {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		rest := tick - time.Since(changed(info))
		if rest <= 0 || rest > tick || try == tries { // more than a tick: its times are in the future
			return Of(info), nil
		}
		time.Sleep(rest)
	}
}

// OthersMay reports whether somebody who is neither the user, by number, nor root
// can change the file: it is theirs, or everybody's.
func OthersMay(path string, user int) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	owner, known := owner(info)
	return known && (owner != 0 && owner != user || info.Mode()&(fs.ModePerm&0o002) != 0), nil
}
