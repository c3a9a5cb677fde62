package vault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/disktest"
	"github.com/opaquevault/ov/core/secret"
)

// childDir makes the test binary a child: 16 writers on the vault in it, that
// print what was acknowledged.
const (
	childDir   = "OV_TEST_VAULT_CHILD"
	childLimit = "OV_TEST_VAULT_LIMIT" // bytes that a file may have
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// campaign is set for the long forms of `make attack`.
func campaign() bool { return os.Getenv("ATTACK") != "" }

func child(dir string) int {
	var limit uint64
	if s := os.Getenv(childLimit); s != "" {
		fmt.Sscan(s, &limit)
	}
	v, err := Unlock(context.Background(), sqlite.Open(filepath.Join(dir, "vault.db")), dir, text(password), Options{})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	if limit > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Println("error", err)
			return 1
		}
	}
	fmt.Println("ready")
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; limit == 0 || i < 400; i++ {
				r := secret.Ref{App: "shop", Env: "development", Name: fmt.Sprintf("W%d_%d", w, i%40)}
				info, err := v.Put(context.Background(), r, text(fmt.Sprintf("value of %s, %d", r.Name, i)), PutOptions{})
				out.Lock()
				if err != nil {
					fmt.Println("refused", errors.Is(err, ErrFull), err)
				} else {
					fmt.Println("ack", r.Name, info.Version, i)
				}
				out.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return 0
}

// An ack is what a child said is stored.
type ack struct {
	version uint64
	i       int
}

// runChild runs a child until until returns true for one of its lines and then
// kills it; it returns the newest acknowledgement of each name.
func runChild(t *testing.T, h home, env string, until func(line string, n int) bool) (acks map[string]ack, refused []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+h.dir, env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acks = map[string]ack{}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var name string
		var a ack
		switch k, err := fmt.Sscanf(line, "ack %s %d %d", &name, &a.version, &a.i); {
		case err == nil && k == 3:
			acks[name] = a
		case strings.HasPrefix(line, "refused"):
			refused = append(refused, strings.TrimSpace(line))
		case strings.HasPrefix(line, "error"):
			t.Fatal(line)
		}
		if until(line, n) {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			until = func(string, int) bool { return false } // read what is still in the pipe
		}
	}
	_ = cmd.Wait() // killed: its status says so
	return acks, refused
}

// checkAcks opens the vault and holds it against what was acknowledged.
func checkAcks(t *testing.T, h home, acks map[string]ack) {
	t.Helper()
	err := h.session(Options{}, func(v *Vault) {
		for name, a := range acks {
			out, err := v.Open(t.Context(), []secret.Ref{ref(t, name)}, yes)
			if err != nil {
				t.Fatalf("%s, acknowledged: %v", name, err)
			}
			want := fmt.Sprintf("value of %s, %d", name, a.i)
			if out[0].Version < a.version || out[0].Version == a.version && string(out[0].Value.Reveal()) != want {
				t.Errorf("%s is at version %d, %d was acknowledged", name, out[0].Version, a.version)
			}
		}
		if r, err := v.Verify(t.Context(), yes); err != nil || r.Readable != r.Records || len(r.Problems) > 0 {
			t.Errorf("verify: %+v, %v", r, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The long form goes on where it was interrupted when ATTACK_STATE names a file:
// what is in it was survived by earlier runs.
func TestAttack20Killed(t *testing.T) {
	kills, done, total := 4, 0, 0
	state := ""
	if campaign() {
		kills, state = 1000, os.Getenv("ATTACK_STATE")
		done, total = resume(t, state)
	}
	h := made(t)
	for ; done < kills; done++ {
		var first time.Time
		wait := time.Duration(rand.IntN(60)) * time.Millisecond
		acks, _ := runChild(t, h, "", func(line string, _ int) bool {
			if first.IsZero() && strings.HasPrefix(line, "ack") {
				first = time.Now()
			}
			return !first.IsZero() && time.Since(first) >= wait
		})
		if len(acks) == 0 {
			t.Fatal("killed before it wrote anything")
		}
		total += len(acks)
		checkAcks(t, h, acks)
		if t.Failed() {
			return
		}
		survivedSoFar(t, state, done+1, total)
	}
	survived(t, 20, "kill -9 under 16 writers, %d times: all of %d acknowledged secrets kept", kills, total)
}

// resume reads how far earlier runs of a campaign came.
func resume(t *testing.T, state string) (done, total int) {
	t.Helper()
	if state == "" {
		return 0, 0
	}
	b, err := os.ReadFile(state)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0
	}
	if _, scan := fmt.Sscanf(string(b), "%d kills, %d acknowledged\n", &done, &total); err != nil || scan != nil {
		t.Fatalf("read %s: %v, %v", state, err, scan)
	}
	return done, total
}

func survivedSoFar(t *testing.T, state string, done, total int) {
	t.Helper()
	if state == "" {
		return
	}
	if err := os.WriteFile(state, fmt.Appendf(nil, "%d kills, %d acknowledged\n", done, total), 0o600); err != nil {
		t.Fatal(err)
	}
}

// 21: no file may grow any more. Nothing that was refused is half there, and
// what was acknowledged is.
func TestAttack21NoRoom(t *testing.T) {
	for _, limit := range []string{"70000", "200000", "1000000"} {
		h := made(t)
		acks, refused := runChild(t, h, childLimit+"="+limit, func(string, int) bool { return false })
		if len(refused) == 0 {
			t.Errorf("limit %s: nothing was refused", limit)
		}
		checkAcks(t, h, acks)
		if err := h.session(Options{}, func(v *Vault) { put(t, v, "AGAIN", "value") }); err != nil {
			t.Errorf("limit %s: with room again: %v", limit, err)
		}
	}
	survived(t, 21, "files that cannot grow: refused with an error, nothing half written, then on again")
}

// A full disk from the start: Create leaves nothing that looks like a vault.
func TestAttack21CreateWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	disk := disktest.Mount(t, dir, "8k") // the form with a file size limit runs everywhere
	st := sqlite.Open(filepath.Join(dir, "vault.db"))
	if _, _, err := Create(t.Context(), st, dir, text(password), Options{}); err == nil {
		t.Fatal("made a vault without room")
	}
	st.Close()
	disk.Grow("4m")
	st = sqlite.Open(filepath.Join(dir, "vault.db"))
	defer st.Close()
	v, _, err := Create(t.Context(), st, dir, text(password), Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, v, "TOKEN", "value")
	v.Close()
}
