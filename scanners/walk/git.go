package walk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// gitArgs read history as patches and run nothing that the repository names: no
// pager, no external diff, no text conversion, no hook, no signature check.
var gitArgs = []string{
	"--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false", "-c", "diff.external=",
	"-c", "core.quotePath=false", "log", "--all", "--reverse", "--full-history", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
	"--diff-merges=first-parent", "--no-show-signature", "--format=format:commit %H", "--src-prefix=a/", "--dst-prefix=b/",
}

// Git looks through what every commit of a repository added, oldest first. A
// value that a later commit adds to the same file again is reported once.
func Git(ctx context.Context, dir string, o Options) (*Result, error) {
	w := &walker{Options: o}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, gitArgs...)...)
	cmd.Env = gitEnv(os.Environ())
	var complaint bytes.Buffer
	cmd.Stderr = &limitWriter{&complaint, 4096}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("read git history of %q: %w", dir, err)
	}
	parseErr := w.patches(out)
	if parseErr != nil {
		cancel()
	}
	if err := cmd.Wait(); parseErr == nil && err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("read git history of %q: %w: %s", dir, err, reason)
	}
	r := w.done()
	r.Findings = once(r.Findings)
	return r, parseErr
}

// gitEnv keeps variables from leading git to another repository or program.
func gitEnv(env []string) []string {
	out := []string{"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"}
	for _, e := range env {
		if !strings.HasPrefix(e, "GIT_") && !strings.HasPrefix(e, "LC_ALL=") {
			out = append(out, e)
		}
	}
	return out
}

// limitWriter keeps the first bytes.
type limitWriter struct {
	b    *bytes.Buffer
	left int
}

func (l *limitWriter) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.b.Write(p[:n])
	l.left -= n
	return len(p), nil
}

// patch is what one commit adds to one file.
type patch struct {
	commit, path string
	added        bytes.Buffer
	numbers      []int // of the lines added
}

// patches reads git's output.
func (w *walker) patches(r io.Reader) error {
	in := bufio.NewReaderSize(r, 256<<10)
	p := &patch{}
	header := false
	next := 0
	for {
		line, err := in.ReadBytes('\n')
		text := bytes.TrimRight(line, "\n")
		switch {
		case bytes.HasPrefix(text, []byte("commit ")) && len(text) >= 47 && !header:
			w.flush(p)
			p.commit = string(text[7:])
		case bytes.HasPrefix(text, []byte("diff --git ")):
			w.flush(p)
			header = true
		case header && bytes.HasPrefix(text, []byte("+++ b/")):
			p.path = strings.TrimSuffix(string(text[6:]), "\t")
		case header && bytes.HasPrefix(text, []byte(`+++ "b/`)):
			if s, err := strconv.Unquote(strings.TrimSuffix(string(text[4:]), "\t")); err == nil {
				p.path = s[2:]
			}
		case bytes.HasPrefix(text, []byte("@@ ")):
			header = false
			next = hunkStart(string(text))
		case !header && len(text) > 0 && text[0] == '+':
			p.added.Write(text[1:])
			p.added.WriteByte('\n')
			p.numbers = append(p.numbers, next)
			next++
		}
		if len(bytes.TrimSpace(text)) == 0 && header {
			header = false
		}
		if err == io.EOF {
			w.flush(p)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read git history: %w", err)
		}
	}
}

// hunkStart returns the first new line of "@@ -1,2 +3,4 @@".
func hunkStart(s string) int {
	_, s, _ = strings.Cut(s, "+")
	i := strings.IndexAny(s, ", ")
	n, _ := strconv.Atoi(s[:max(i, 0)])
	return n
}

// flush looks through a patch and begins another.
func (w *walker) flush(p *patch) {
	if p.added.Len() > 0 {
		w.files.Add(1)
		numbers := p.numbers
		at := where{commit: p.commit, line: func(l int) int { return numbers[min(l-1, len(numbers)-1)] }}
		if err := w.stream(bytes.NewReader(p.added.Bytes()), p.path, at); err != nil {
			w.skip(p.path, "unreadable: "+cause(err), true)
		}
		w.progress()
	}
	p.added.Reset()
	p.numbers, p.path = nil, ""
}

// once keeps the first of the findings with one fingerprint, which are in order
// of path and commit.
func once(all []Finding) []Finding {
	seen := map[string]bool{}
	kept := all[:0]
	for _, f := range all {
		if f.Fingerprint != "" && seen[f.Fingerprint] {
			continue
		}
		seen[f.Fingerprint] = true
		kept = append(kept, f)
	}
	return kept
}
