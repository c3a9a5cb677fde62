//go:build unix

package walk

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestUnreadable: a folder and a file that may not be read are listed as failures,
// and the rest is looked into. Root may read everything: then somebody else runs
// the test.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	dir := put(t, map[string]string{"in/x": token, "y": token, "z": token})
	for _, name := range []string{"in", "z"} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o755)
	}
	r, err := Paths(context.Background(), []string{dir}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places(dir, r), "y:1:1 github-pat")
	if len(r.Skipped) != 2 || !r.Skipped[0].Failed || !r.Skipped[1].Failed {
		t.Errorf("skipped %+v", r.Skipped)
	}
}

// asNobody runs the test again, from a copy of its program that others may run.
func asNobody(t *testing.T) {
	const nobody = 65534
	dir, err := os.MkdirTemp("", "ov-walk-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "walk.test")
	if err := copyFile(program, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^TestUnreadable$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
