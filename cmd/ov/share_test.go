package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var sixWords = regexp.MustCompile(`[a-z]{5}(-[a-z]{5}){5}`)

// What two people see at their terminals: passwords are typed and not shown, the
// words are compared, and no is an answer.
func TestShareAtATerminal(t *testing.T) {
	work := t.TempDir()
	w := newWorld(t, work)
	defer w.leave(t)
	dir := filepath.Dir(w.env["OV_PROGRAM"])
	s := &serverProc{program: filepath.Join(dir, "ov-server"), data: filepath.Join(work, "server"), log: filepath.Join(work, "server.log")}
	defer s.stop()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	w.must(t, "", "vault", "init", "--server", "http://"+s.address, "--device", "desk", "--kit", filepath.Join(work, "kit"))
	w.must(t, w.canary, "secret", "set", "shop/staging/TOKEN", "--stdin")
	desk := sixWords.FindString(w.must(t, "", "device", "list").stdout)
	const bobs = "another horse battery staple 43"
	p := newPane(t, w)
	typed := func(prompt, line string) {
		t.Helper()
		p.await(prompt)
		p.text(line)
	}
	p.run("unset OV_PASSWORD_FILE; ov --home bob share ask --text --name bob >bob.request")
	p.await("this password opens what is shared with this home")
	typed("New password:", bobs)
	typed("Once more:", bobs)
	p.await("tell them its words:")
	bob := sixWords.FindString(w.must(t, "", "--home", "bob", "status").stdout)
	request, err := os.ReadFile(filepath.Join(work, "bob.request"))
	if err != nil || !strings.HasPrefix(string(request), "ovask1_") || strings.Count(string(request), "\n") != 1 || bob == "" {
		t.Fatalf("%q, %v, words %q", request, err, bob)
	}

	p.run("ov share shop/staging --with " + bob + " --role write --request bob.request >bob.invitation")
	prompt := "Master password, to let " + bob + " write shop/staging:"
	typed(prompt, "not the password")
	p.until("asks again", func(s string) bool { return strings.Contains(s, "wrong password") && strings.Count(s, prompt) == 2 })
	p.text(password)
	p.await("words of this device: " + desk)

	for _, answer := range []string{"n", "y"} {
		p.run("ov --home bob share accept bob.invitation")
		typed("Password of this home:", bobs)
		p.await(`you are given: read and write shop/staging, as "bob", until it is revoked`)
		p.await("Does the vault's owner see these words for their device?")
		p.await("    " + desk)
		p.text(answer)
		p.await(map[string]string{"n": "nobody said yes", "y": "this home may read and write shop/staging"}[answer])
		p.prompt()
	}
	p.run("ov --home bob run -- sh -c 'echo \"<$TOKEN>\"'")
	typed("Password of this home:", bobs)
	p.await("<[REDACTED:TOKEN]>")
	screen := p.tmux("capture-pane", "-p", "-J", "-S", "-")
	for _, secret := range []string{bobs, password, "not the password"} {
		if strings.Contains(screen, secret) {
			t.Errorf("%q was shown", secret)
		}
	}
	p.run("ov share revoke bob")
	typed("Master password, to end the access of bob:", password)
	p.await(`"bob" reads and writes nothing any more`)
}
