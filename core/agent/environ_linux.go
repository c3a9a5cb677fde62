package agent

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// scrubEnviron overwrites the value of a variable in the block that this process
// was started with: os.Unsetenv does not reach it. Where the system does not
// allow it, as in a process that is not dumpable, whose block is closed to others
// anyway, it stays as it was; the caller has warned.
func scrubEnviron(name string) {
	block, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return
	}
	defer clear(block)
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	const envStart = 50 - 3 // of the fields behind the program's name, which may hold anything
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= envStart {
		return
	}
	start, err := strconv.ParseInt(fields[envStart], 10, 64)
	if err != nil || start == 0 {
		return
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer mem.Close()
	at := int64(0)
	for entry := range bytes.SplitSeq(block, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			mem.WriteAt(make([]byte, len(value)), start+at+int64(len(name))+1)
		}
		at += int64(len(entry)) + 1
	}
}
