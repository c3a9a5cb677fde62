package main

import (
	"os"
	"testing"
)

// A verb that is made alone is the one of the whole tree.
func TestVerbsAlone(t *testing.T) {
	c := &cli{streams: streams{os.Stdin, os.Stdout, os.Stderr}}
	whole := c.root(nil)
	for _, v := range c.verbs() {
		alone := c.root([]string{v.name})
		if n := len(alone.Commands()); n != 1 {
			t.Errorf("%s: %d commands are made for it", v.name, n)
		}
		a, _, err := alone.Find([]string{v.name})
		b, _, werr := whole.Find([]string{v.name})
		if err != nil || werr != nil || a.Name() != v.name || b.Name() != v.name {
			t.Fatalf("%s: finds %v, %v and %v, %v", v.name, a.Name(), err, b.Name(), werr)
		}
		if a.UsageString() != b.UsageString() || a.Long != b.Long || a.GroupID != v.group {
			t.Errorf("%s: alone its help is\n%s\nand in the tree\n%s", v.name, a.UsageString(), b.UsageString())
		}
	}
	if got, want := len(whole.Commands()), len(c.verbs())+len(topics())+2; got != want { // man, and cobra's completion
		t.Errorf("the whole tree has %d commands, want %d", got, want)
	}
}
