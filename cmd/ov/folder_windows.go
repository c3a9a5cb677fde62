package main

// folderTrouble: a vault cannot be used here in any case.
func folderTrouble(string) (says, fix string) { return "", "" }
