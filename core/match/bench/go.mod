module github.com/opaquevault/ov/core/match/bench

go 1.26.4

require github.com/opaquevault/ov v0.0.0

require github.com/BobuSumisu/aho-corasick v1.0.3

require golang.org/x/sys v0.49.0 // indirect

replace github.com/opaquevault/ov => ../../..
