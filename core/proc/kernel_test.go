package proc

import (
	"runtime"
	"testing"
)

func TestKernel(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Kernel() {
		if f.Name == "" || f.For == "" || f.Without == "" || seen[f.Name] {
			t.Errorf("%+v says too little, or it twice", f)
		}
		seen[f.Name] = true
		if !f.Have {
			t.Logf("lacking here: %s: %s", f.Name, f.Without)
		}
	}
	if runtime.GOOS == "linux" && !seen["PR_SET_CHILD_SUBREAPER"] {
		t.Error("the list is not Linux's")
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		s    Status
		exit int
		text string
	}{
		{Status{}, 0, "exit status 0"},
		{Status{Code: 7}, 7, "exit status 7"},
		{Status{Code: -1, Signal: 9}, 137, "signal: killed"},
	} {
		if c.s.Exit() != c.exit || c.s.String() != c.text {
			t.Errorf("%+v: %d, %q", c.s, c.s.Exit(), c.s)
		}
	}
}
