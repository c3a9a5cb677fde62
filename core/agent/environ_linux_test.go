package agent

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"testing"
)

// Attack: another process of the user reads /proc/PID/environ of a program that
// was given OV_PASSWORD. From the moment that it is taken there is nothing to read.
func TestAttackEnviron(t *testing.T) {
	const name, want = "OV_TEST_PASSWORD", "a-password-to-be-scrubbed"
	if os.Getenv("OV_TEST_PART") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAttackEnviron$", "-test.v")
		cmd.Env = append(os.Environ(), "OV_TEST_PART=1", name+"="+want, "OV_TEST_AFTER=stays")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestAttackEnviron")) {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	block := func() []byte {
		b, err := os.ReadFile("/proc/self/environ")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Contains(block(), []byte(want)) {
		t.Fatal("the block does not show what the process was started with: this test shows nothing")
	}
	p := FromEnvironment(name)
	if b := block(); bytes.Contains(b, []byte(want)) || !bytes.Contains(b, []byte("OV_TEST_AFTER=stays")) {
		t.Error("/proc/self/environ still shows the password, or lost another variable")
	}
	if _, found := os.LookupEnv(name); found || os.Getenv("OV_TEST_AFTER") != "stays" {
		t.Error("the environment still has the password, or lost another variable")
	}
	f, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != want {
		t.Errorf("the password became %q, %v", got, err)
	}
}
