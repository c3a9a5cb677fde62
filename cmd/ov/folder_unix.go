//go:build linux || darwin

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
)

// enough is how much space the vault's folder wants: a write-ahead log, its
// index and an audit record.
const enough = 256 << 10

// writeEnter is W_OK and X_OK of access(2).
const writeEnter = 2 | 1

// folderTrouble says why nothing can be written into the vault's folder, or
// where it is to be made, and what to do; or nothing.
func folderTrouble(home string) (says, fix string) {
	dir := home
	err := syscall.Access(dir, writeEnter)
	for errors.Is(err, syscall.ENOENT) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = syscall.Access(dir, writeEnter)
	}
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("%s is on a file system that is mounted read-only", dir), "OV_HOME or --home names another folder"
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Sprintf("%s is no folder", dir), "OV_HOME or --home names the folder that holds everything"
	case err != nil:
		return fmt.Sprintf("%s cannot be written: %v", dir, err), "OV_HOME or --home names another folder"
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return "", ""
	}
	if uint64(st.Bavail)*uint64(st.Bsize) < enough || st.Files > 0 && st.Ffree == 0 {
		return fmt.Sprintf("the disk of %s is full", dir), "make room on it: what cannot be written to the audit log is not decrypted either"
	}
	return "", ""
}
