package policy

// DefaultText is the policy of a vault that has none of its own.
const DefaultText = `# Who may use which secret. The first rule that fits decides; the last one fits everything.
# "ov policy explain REF -- CMD" says which rule that is and why.

# A coding agent gets no needles: whoever holds them can ask "was that the value?".
[[rule]]
name = "needles"
who = ["mcp"]
verbs = ["mask"]
deny = true

# Production is asked for, client by client; a machine key made for it is not.
[[rule]]
name = "production, machines"
refs = ["*/prod*/*", "*/live*/*"]
who = ["machine"]

# What a person writes at the command line is not asked for.
[[rule]]
name = "production, written by hand"
refs = ["*/prod*/*", "*/live*/*"]
who = ["cli"]
verbs = ["create", "update", "import"]

[[rule]]
name = "production"
refs = ["*/prod*/*", "*/live*/*"]
verbs = ["run", "session", "mask", "update", "delete", "create", "import", "from_file", "from_command"]
approval = "session"

# Everything else runs without questions.
[[rule]]
name = "everything else"
`

// Default returns the policy of DefaultText.
func Default() *Policy {
	p, err := Parse([]byte(DefaultText))
	if err != nil {
		panic("policy: the default does not parse: " + err.Error())
	}
	return p
}

// Closed returns the policy that lets nothing through.
func Closed() *Policy {
	return &Policy{Rules: []Rule{{Name: "closed", Deny: true, Approval: Always}}}
}
