package proc

// A Feature is something of the kernel that runs rely on.
type Feature struct {
	Name    string // as its manual page calls it
	For     string // what it is for
	Have    bool
	Without string // what is different where it is lacking
}
