package agenttest

import (
	"os"
	"os/exec"
	"testing"
)

// TestAround: a variable that an agent sets for what it runs gives it away, here
// and in a parent.
func TestAround(t *testing.T) {
	if os.Getenv("AROUND_CHILD") != "" {
		if os.Getenv("AROUND_CHILD") == "clean" {
			os.Unsetenv("OPENCODE")
		}
		os.Stdout.WriteString("around=" + Around() + "\n")
		os.Exit(0)
	}
	for _, kind := range []string{"itself", "clean"} { // "clean" has taken it out of its own environment, not out of /proc
		cmd := exec.Command(os.Args[0], "-test.run=^TestAround$")
		cmd.Env = []string{"AROUND_CHILD=" + kind, "OPENCODE=1"}
		out, err := cmd.Output()
		if err != nil || string(out) != "around=opencode\n" {
			t.Errorf("%s: %q, %v", kind, out, err)
		}
	}
}
