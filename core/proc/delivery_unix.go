//go:build linux || darwin

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Delivery holds what a child is given other than by its environment: files that are nowhere on a disk, and descriptors. What
// goes in is written by the caller: this package does not look at it.
//
// A file is one of a private folder on a memory file system, since its path works for every program that the child hands it
// to. Where there is no such file system it is a descriptor, as with Descriptor.
type Delivery struct {
	// Extra is for Spec.Extra.
	Extra []*os.File

	dir *privateDir
}

// ErrNoMemory says that there is no place in memory to put a file or descriptor: on a disk it will not be put.
var ErrNoMemory = errors.New("no file system or descriptor in memory")

// File makes a file called name, mode 0400, with what write writes, and returns its path.
func (d *Delivery) File(name string, write func(io.Writer) error) (path string, err error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("deliver %q: not a file name", name)
	}
	if d.dir == nil {
		if d.dir, err = newPrivateDir(); errors.Is(err, ErrNoMemory) {
			return d.Descriptor(name, write)
		} else if err != nil {
			return "", fmt.Errorf("deliver %q: %w", name, err)
		}
	}
	path = filepath.Join(d.dir.path, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o400)
	if err != nil {
		return "", fmt.Errorf("deliver %q: %w", name, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return "", fmt.Errorf("deliver %q: %w", name, err)
	}
	return path, nil
}

// Descriptor makes a descriptor of the child from which it reads what write writes, and returns its path, /dev/fd/N.
func (d *Delivery) Descriptor(name string, write func(io.Writer) error) (path string, err error) {
	f, err := memoryFile(name, write)
	if err != nil {
		return "", fmt.Errorf("deliver %q: %w", name, err)
	}
	d.Extra = append(d.Extra, f)
	return fmt.Sprintf("/dev/fd/%d", 2+len(d.Extra)), nil
}

// Stdin makes a file for Spec.Stdin, which the caller closes.
func (d *Delivery) Stdin(write func(io.Writer) error) (*os.File, error) {
	f, err := memoryFile("stdin", write)
	if err != nil {
		return nil, fmt.Errorf("deliver stdin: %w", err)
	}
	return f, nil
}

// Close removes the files and lets go of the descriptors.
func (d *Delivery) Close() error {
	var errs []error
	for _, f := range d.Extra {
		errs = append(errs, f.Close())
	}
	d.Extra = nil
	if d.dir != nil {
		errs = append(errs, d.dir.remove())
		d.dir = nil
	}
	return errors.Join(errs...)
}

// privateDir is a folder, mode 0700, of a memory file system. As long as its maker lives it is locked; what is not locked is
// left over from one that was killed, and swept.
type privateDir struct {
	path string
	lock *os.File
}

const privatePrefix = "ov-run-"

func newPrivateDir() (*privateDir, error) {
	Sweep()
	why := error(nil)
	for _, base := range memoryDirs() {
		for range 3 { // a sweeper may come between the making and the locking
			path, err := os.MkdirTemp(base, privatePrefix)
			if err != nil {
				why = err
				break
			}
			if d := lockDir(path); d != nil {
				return d, nil
			}
		}
	}
	if why != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMemory, why)
	}
	return nil, ErrNoMemory
}

// lockDir is nil when another has the folder, or when it is not what it seems.
func lockDir(path string) *privateDir {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err == nil && ownedByUs(info) && control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }) == nil {
		if now, err := os.Lstat(path); err == nil && os.SameFile(info, now) {
			return &privateDir{path, f}
		}
	}
	f.Close()
	return nil
}

func ownedByUs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && info.IsDir()
}

func (d *privateDir) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// Sweep removes what killed runs of this user have left of their files.
func Sweep() {
	for _, base := range memoryDirs() {
		entries, err := os.ReadDir(base)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), privatePrefix) {
				if d := lockDir(filepath.Join(base, e.Name())); d != nil {
					_ = d.remove()
				}
			}
		}
	}
}
