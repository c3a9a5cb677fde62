package seal

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/opaquevault/ov/core/secret"
)

// A Lock says who may open a backup: who knows a passphrase, or who holds the
// identity of one of the recipients (age1..., age1pq...). A passphrase stands alone.
type Lock struct {
	Passphrase secret.Value
	Recipients []string
}

// An Unlock opens a backup: a passphrase or identities (AGE-SECRET-KEY-...).
type Unlock struct {
	Passphrase secret.Value
	Identities secret.Value // one on a line
}

// ErrBackup says that a backup cannot be locked or opened as asked.
var ErrBackup = errors.New("backup")

// EncryptBackup returns a writer whose input ends up in w as an age file. Close
// finishes the file; it does not close w.
func EncryptBackup(w io.Writer, to Lock) (io.WriteCloser, error) {
	var recipients []age.Recipient
	switch {
	case to.Passphrase.Len() > 0 && len(to.Recipients) > 0:
		return nil, fmt.Errorf("%w: a passphrase and recipients at once", ErrBackup)
	case to.Passphrase.Len() > 0:
		r, err := age.NewScryptRecipient(string(to.Passphrase.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBackup, err)
		}
		recipients = append(recipients, r)
	default:
		var err error
		if recipients, err = age.ParseRecipients(strings.NewReader(strings.Join(to.Recipients, "\n"))); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBackup, err)
		}
	}
	out, err := age.Encrypt(w, recipients...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	return out, nil
}

// DecryptBackup returns what EncryptBackup was given. A wrong passphrase or
// identity is ErrOpen.
func DecryptBackup(r io.Reader, from Unlock) (io.Reader, error) {
	var identities []age.Identity
	if from.Passphrase.Len() > 0 {
		id, err := age.NewScryptIdentity(string(from.Passphrase.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBackup, err)
		}
		identities = append(identities, id)
	}
	if from.Identities.Len() > 0 {
		ids, err := age.ParseIdentities(strings.NewReader(string(from.Identities.Reveal())))
		if err != nil {
			return nil, fmt.Errorf("%w: no age identity in it", ErrBackup) // the cause could quote it
		}
		identities = append(identities, ids...)
	}
	out, err := age.Decrypt(r, identities...)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return nil, fmt.Errorf("%w: %w", ErrBackup, ErrOpen)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	return out, nil
}
