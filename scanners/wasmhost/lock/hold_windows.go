package lock

import (
	"errors"
	"os"
)

// exclude cannot: modules are not installed on Windows.
func exclude(*os.File) error { return errors.ErrUnsupported }
