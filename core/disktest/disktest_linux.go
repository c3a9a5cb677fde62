package disktest

import "syscall"

func (d *Disk) mount(size string) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "mode=700,size="+size)
}

func (d *Disk) resize(size string) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, "mode=700,size="+size)
}

// unmount lets go of the disk though somebody may still be at it.
func (d *Disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }

// ReadOnly takes the right to write away from everybody.
func (d *Disk) ReadOnly() error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}
