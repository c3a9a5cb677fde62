package wasmhost

// A Cache keeps compiled code of large modules between runs.
type Cache struct{}
