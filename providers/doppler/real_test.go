package doppler

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// TestReal: Doppler's own command line takes our fake for Doppler, so what we
// read from the fake is what the service speaks.
func TestReal(t *testing.T) {
	cli, err := filepath.Abs("../../bin/import-tools/cli")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cli); err != nil {
		if os.Getenv("REAL") != "" {
			t.Fatal("no Doppler command line: make real")
		}
		t.Skip("Doppler's command line runs in make real")
	}
	f := newFake(t)
	want := map[string]string{"PLAIN": "a value", "ODD": "p\"w$ `x` \\n\n second line é"}
	var fill []providertest.Secret
	for name, value := range want {
		fill = append(fill, providertest.Secret{Name: name, Value: []byte(value)})
	}
	f.Fill(t, fill)
	cmd := exec.Command(cli, "secrets", "--json", "--api-host", f.URL, "--token", "dp.st.good",
		"--project", "shop", "--config", "prd", "--no-check-version")
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var got map[string]struct{ Computed string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for name, value := range want {
		if got[name].Computed != value {
			t.Errorf("%s is %q there, want %q", name, got[name].Computed, value)
		}
	}
}
