package inode

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func settled(t *testing.T, path string) ID {
	t.Helper()
	id, err := Settled(path)
	if err != nil || id == "" {
		t.Fatalf("%q, %v", id, err)
	}
	return id
}

// TestEveryChangeShows: whatever is done to a file or its name right after it was
// named, the name does not fit any more, even when its length and time are put back.
func TestEveryChangeShows(t *testing.T) {
	dir := t.TempDir()
	file, other, link := filepath.Join(dir, "f"), filepath.Join(dir, "g"), filepath.Join(dir, "l")
	for what, change := range map[string]func() error{
		"written in place": func() error { return os.WriteFile(file, []byte("evil"), 0) },
		"written, and its time put back": func() error {
			info, err := os.Stat(file)
			if err == nil {
				err = os.WriteFile(file, []byte("evil"), 0)
			}
			if err != nil {
				return err
			}
			return os.Chtimes(file, info.ModTime(), info.ModTime())
		},
		"another in its place":            func() error { return os.Rename(other, file) },
		"removed":                         func() error { return os.Remove(file) },
		"removed and made again":          func() error { os.Remove(file); return os.WriteFile(file, []byte("good"), 0o755) },
		"moved away and back":             func() error { os.Rename(file, file+"2"); return os.Rename(file+"2", file) },
		"its mode":                        func() error { return os.Chmod(file, 0o777) },
		"the link to it leads elsewhere":  func() error { os.Remove(link); return os.Symlink(other, link) },
		"a folder above it was exchanged": func() error { os.Rename(dir, dir+"2"); return os.Mkdir(dir, 0o700) },
	} {
		if runtime.GOOS == "windows" {
			t.Skip("the system tells less there, see inode_other.go")
		}
		os.RemoveAll(dir)
		os.RemoveAll(dir + "2")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, file, "good")
		write(t, other, "evil")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		id := settled(t, link)
		if !id.Is(link) || !id.Is(file) || id.Is(other) {
			t.Fatalf("%s: before: by its link %v, itself %v, another %v", what, id.Is(link), id.Is(file), id.Is(other))
		}
		if err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if id.Is(link) {
			t.Errorf("%s: not noticed", what)
		}
	}
	os.RemoveAll(dir + "2")
}

func TestReadingShowsNothing(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "f"), "good")
	id := settled(t, file)
	if _, err := os.ReadFile(file); err != nil || !id.Is(file) {
		t.Errorf("reading it changed it (%v)", err)
	}
	if ID("").Is(file) || ID("").Is(file+"x") {
		t.Error("no name fits a file")
	}
	if _, err := Settled(file + "x"); err == nil {
		t.Error("a file that is not there has a name")
	}
}

// TestSettledWaits: not for what is old, nor for what is of tomorrow, nor for ever.
func TestSettledWaits(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "f"), "good")
	settled(t, file)
	info, err := os.Stat(file)
	if err != nil || time.Since(changed(info)) < tick {
		t.Errorf("it is %v old (%v)", time.Since(changed(info)), err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				os.Chmod(file, 0o700)
			}
		}
	}()
	settled(t, file) // a file that is changed all the time
	close(stop)
	<-ended
}

func TestOthersMay(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "f"), "good")
	if runtime.GOOS == "windows" {
		t.Skip("files have no owners by number there")
	}
	me := os.Getuid()
	for _, tt := range []struct {
		mode os.FileMode
		user int
		want bool
	}{{0o755, me, false}, {0o775, me, false}, {0o757, me, true}, {0o755, me + 1, me != 0}} {
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := OthersMay(file, tt.user); got != tt.want || err != nil {
			t.Errorf("mode %o, for %d: %v, %v", tt.mode, tt.user, got, err)
		}
	}
	if _, err := OthersMay(file+"x", me); err == nil {
		t.Error("of a file that is not there it is known")
	}
}
