//go:build linux || darwin

package proc

import (
	"encoding/binary"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A message crosses the socket between us and the session leader: a kind and one number, 5 bytes.
type message struct {
	kind kind
	arg  int32
}

type kind byte

const (
	// To the leader.
	sendSignal   kind = 'n' // arg to the child's group
	toForeground kind = 'f' // the child's group gets the terminal's keys, and goes on if it was stopped
	toBackground kind = 'g' // it no longer gets them
	madeRaw      kind = 'r' // arg 1: our terminal is raw from now on; 0: it is not. The leader restores it should we die
	killAll      kind = 'k' // end every descendant; answered by killedAll
	goAway       kind = 'b' // the run is over; what runs in the background may stay

	// From the leader.
	started    kind = 'p' // arg is the child's process id
	notRun     kind = 'e' // arg is the errno of the start
	stopped    kind = 's' // arg is the signal that stopped the child
	childEnded kind = 'x' // arg is its wait status
	killedAll  kind = 'K'
)

func (m message) send(w io.Writer) error {
	_, err := w.Write(binary.LittleEndian.AppendUint32([]byte{byte(m.kind)}, uint32(m.arg)))
	return err
}

func receive(r io.Reader) (message, error) {
	var b [5]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return message{}, err
	}
	return message{kind(b[0]), int32(binary.LittleEndian.Uint32(b[1:]))}, nil
}

// socketPair is a connection; theirs blocks, ours is served by the runtime's poller.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), "leader"), os.NewFile(uintptr(fds[1]), "ov"), nil
}
