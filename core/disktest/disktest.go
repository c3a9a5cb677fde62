// Package disktest gives tests a disk that is too small, and then is not: what
// becomes of what was acknowledged when there is no room can only be seen on one.
package disktest

import (
	"os"
	"testing"
)

// A Disk is a small file system that a test has mounted, empty, over a folder.
type Disk struct {
	t   testing.TB
	dir string
}

// Mount puts a disk of a size, as in "512k", over dir until the test ends. Where that
// cannot be had the test is skipped, and fails where everything is to be tested.
func Mount(t testing.TB, dir, size string) *Disk {
	t.Helper()
	d := &Disk{t, dir}
	if err := d.mount(size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a disk of %s: %v", size, err)
		}
		t.Skipf("a disk of %s cannot be mounted here: %v", size, err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Errorf("unmount the disk of %s: %v", size, err)
		}
	})
	return d
}

// Grow gives the disk another size.
func (d *Disk) Grow(size string) {
	d.t.Helper()
	if err := d.resize(size); err != nil {
		d.t.Fatalf("give the disk %s: %v", size, err)
	}
}
