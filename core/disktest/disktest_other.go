//go:build !linux

package disktest

import "errors"

func (d *Disk) mount(string) error  { return errors.ErrUnsupported }
func (d *Disk) resize(string) error { return errors.ErrUnsupported }
func (d *Disk) unmount() error      { return errors.ErrUnsupported }

// ReadOnly takes the right to write away from everybody.
func (d *Disk) ReadOnly() error { return errors.ErrUnsupported }
