package secret

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		value string
		plain bool
		want  error
	}{
		{"", false, ErrEmpty},
		{"", true, ErrEmpty},
		{"abc", false, ErrShort},
		{"abc", true, nil},
		{"abcd", false, nil},
		{"a\x00bc", false, nil},
		{strings.Repeat("x", MaxValue), false, nil},
		{strings.Repeat("x", MaxValue+1), true, ErrTooLong},
		{"token=[REDACTED:TOKEN]", false, ErrMarker},
		{"[REDACTED:", true, ErrMarker},
		{"[REDACTED", false, nil},
	} {
		if err := New([]byte(c.value)).Check(c.plain); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%.20q plain=%v: %v, want %v", c.value, c.plain, err, c.want)
		}
	}
	if err := (Value{}).Check(false); !errors.Is(err, ErrEmpty) {
		t.Errorf("zero value: %v", err)
	}
}

func TestCheckEnv(t *testing.T) {
	if err := New([]byte("a\x00b")).CheckEnv(); !errors.Is(err, ErrNUL) {
		t.Errorf("NUL: %v", err)
	}
	if err := New([]byte("a\nb\xff")).CheckEnv(); err != nil {
		t.Errorf("newline and invalid UTF-8: %v", err)
	}
}
