package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Session is a shell that runs one command after the other, so that the working directory, variables and functions of one are
// there for the next. It has pipes, not a terminal. The end of a command is told on a descriptor of its own: nothing that a
// command prints can be mistaken for it, and commands do not have that descriptor.
type Session struct {
	p        *Process
	commands *os.File
	statuses *os.File
	lines    *bufio.Reader
	turn     chan struct{} // holds a token while no command runs

	mu   sync.Mutex
	idle *time.Timer
	hard *time.Timer
	rest time.Duration
	busy bool
	why  error // why it was ended
}

// Limits end a session. Zero means no limit.
type Limits struct {
	Idle time.Duration // without a command
	Hard time.Duration // since its start
}

// Why a session has ended.
var (
	ErrSessionEnded = errors.New("session has ended")
	ErrIdle         = errors.New("idle for too long")
	ErrExpired      = errors.New("reached its time limit")
)

// driver is what the shell does: it hears commands on descriptor 4 and tells statuses on 3. "command" keeps an error in a
// special builtin from ending it, and finds the builtins behind functions of the same name; so no function may be called that.
const driver = `if test "${ZSH_VERSION-}"; then emulate sh; fi 2>/dev/null
__ov_nl='
'
while IFS= command read -r __ov_line <&4; do
	if command eval "$__ov_line" </dev/null 3>&- 4<&-; then __ov_status=0; else __ov_status=$?; fi
	unset -f command
	command printf '%d\n' "$__ov_status" >&3
done
`

// commandGrace is how long a command has between TERM and KILL, and the shell after that to say so.
const commandGrace = 400 * time.Millisecond

// StartSession starts s.Path, a POSIX shell, as a session's shell. s gives its environment, working directory and which file it is; the rest of
// s is not looked at.
func StartSession(s Spec, limits Limits) (*Session, error) {
	fail := func(err error) (*Session, error) { return nil, fmt.Errorf("start session: %w", err) }
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer statusW.Close()
	commandR, commandW, err := os.Pipe()
	if err != nil {
		statusR.Close()
		return fail(err)
	}
	defer commandR.Close()
	p, err := Start(Spec{Path: s.Path, File: s.File, Exact: s.Exact, Args: []string{s.Path, "-c", driver}, Env: s.Env, Dir: s.Dir, Leader: true,
		Extra: []*os.File{statusW, commandR}})
	if err != nil {
		statusR.Close()
		commandW.Close()
		return fail(err)
	}
	n := &Session{p: p, commands: commandW, statuses: statusR, lines: bufio.NewReader(statusR), turn: make(chan struct{}, 1), rest: limits.Idle}
	n.turn <- struct{}{}
	n.mu.Lock()
	defer n.mu.Unlock()
	if limits.Idle > 0 {
		n.idle = time.AfterFunc(limits.Idle, func() { n.expire(ErrIdle) })
	}
	if limits.Hard > 0 {
		n.hard = time.AfterFunc(limits.Hard, func() { n.expire(ErrExpired) })
	}
	return n, nil
}

// Done is closed when the shell has ended.
func (n *Session) Done() <-chan struct{} { return n.p.ended }

// Run runs one command: a program or a builtin of the shell, each argument as it is given, with an empty stdin. What it prints
// goes to stdout and stderr while it runs. A command that is cancelled is ended with all that it has started; a shell that does not
// come back then is, too. Commands wait for each other.
func (n *Session) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) (Status, error) {
	line, err := shellLine(argv)
	if err != nil {
		return Status{}, err
	}
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
	if !n.begin() {
		return Status{}, n.ended()
	}
	defer n.finish()

	// The outputs are read until the command's end is told, and what is in the pipes by then: all that it has printed.
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, o := range n.p.outputs[:2] {
		dst := []io.Writer{stdout, stderr}[i]
		o.again()
		wg.Go(func() {
			if _, errs[i] = io.Copy(dst, o); errs[i] != nil {
				_, _ = io.Copy(io.Discard, o) // the shell must not be held up for good by one broken writer
			}
		})
	}
	code, err := n.send(ctx, line)
	for _, o := range n.p.outputs[:2] {
		o.end(0)
	}
	wg.Wait()
	if err != nil {
		return Status{}, err
	}
	return code, errors.Join(errs...)
}

// send gives the shell a line and waits for the status.
func (n *Session) send(ctx context.Context, line string) (Status, error) {
	if _, err := io.WriteString(n.commands, line); err != nil {
		return n.shellGone()
	}
	told := make(chan string, 1)
	go func() {
		text, _ := n.lines.ReadString('\n')
		told <- text
	}()
	var patience <-chan time.Time
	cancelled, stage := ctx.Done(), 0
	for {
		select {
		case text := <-told:
			code, err := strconv.Atoi(strings.TrimSuffix(text, "\n"))
			if err != nil {
				return n.shellGone()
			}
			return Status{Code: code}, ctx.Err()
		case <-n.p.ended:
			return n.shellGone()
		case <-cancelled:
			cancelled, patience = nil, time.After(commandGrace)
			n.p.signalDescendants(terminate)
		case <-patience:
			if stage++; stage == 1 {
				patience = time.After(commandGrace)
				n.p.signalDescendants(kill)
			} else { // it is a builtin, and the shell itself, that does not come back
				n.end(context.Cause(ctx))
			}
		}
	}
}

// shellGone is the result of a command that the shell has ended with: exit, for one.
func (n *Session) shellGone() (Status, error) {
	n.p.child.kill() // the shell, should it have closed our pipes and gone on
	st, err := n.p.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.why != nil {
		return st, fmt.Errorf("%w: %w", ErrSessionEnded, n.why)
	}
	return st, err
}

// ended is the error of a command that comes too late.
func (n *Session) ended() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.why != nil {
		return fmt.Errorf("%w: %w", ErrSessionEnded, n.why)
	}
	return ErrSessionEnded
}

// begin stops the idle clock; it is false when the session has ended.
func (n *Session) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.p.ended:
		return false
	default:
	}
	if n.idle != nil {
		n.idle.Stop()
	}
	n.busy = true
	return n.why == nil
}

// finish starts the idle clock again.
func (n *Session) finish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
	if n.idle != nil && n.why == nil {
		n.idle.Reset(n.rest)
	}
}

// expire ends the session at a limit. An idle clock that ran out just as a command began does not count.
func (n *Session) expire(why error) {
	n.mu.Lock()
	late := n.busy && why == ErrIdle
	n.mu.Unlock()
	if !late {
		n.end(why)
	}
}

// end ends the shell and everything that it has started; the first reason stays.
func (n *Session) end(why error) {
	n.mu.Lock()
	if n.why == nil {
		n.why = why
	}
	for _, t := range []*time.Timer{n.idle, n.hard} {
		if t != nil {
			t.Stop()
		}
	}
	n.mu.Unlock()
	n.p.Kill(0)
}

// Close ends the session, its shell and everything that this has started.
func (n *Session) Close() error {
	n.end(nil)
	return errors.Join(n.commands.Close(), n.statuses.Close(), n.p.Close())
}

// shellLine is argv as one line that a shell evaluates to exactly argv.
func shellLine(argv []string) (string, error) {
	if len(argv) == 0 {
		return "", errors.New("run in session: no command")
	}
	var b strings.Builder
	for _, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			return "", errors.New("run in session: argument holds a zero byte")
		}
		arg = strings.ReplaceAll(arg, `'`, `'\''`)
		b.WriteString(`'` + strings.ReplaceAll(arg, "\n", `'"$__ov_nl"'`) + `' `)
	}
	return b.String() + "\n", nil
}
