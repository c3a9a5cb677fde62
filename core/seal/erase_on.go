//go:build goexperiment.runtimesecret

package seal

import "runtime/secret"

// erasing runs f and has the runtime zero what f leaves on its stack, in registers
// and on the heap: hash states and buffers of other packages hold the password.
func erasing(f func()) { secret.Do(f) }
