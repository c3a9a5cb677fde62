package serve

import "golang.org/x/sys/unix"

const getTermios, setTermios, setFlush = unix.TCGETS, unix.TCSETS, unix.TCSETSF
