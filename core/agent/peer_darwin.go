package agent

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerOf returns who is at the other end of conn, as the kernel noted it when
// the connection was made.
func PeerOf(conn *net.UnixConn) (uid, pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Xucred
	if e := raw.Control(func(fd uintptr) {
		if cred, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err != nil {
			return
		}
		pid, err = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	}); e != nil {
		err = e
	}
	if err != nil {
		return 0, 0, err
	}
	return int(cred.Uid), pid, nil
}
