package broker

import (
	"slices"
	"strings"
)

// dangerous says why a variable of this name is not injected: programs load
// code, or find their programs, by it, so that whoever can write the secret
// could run anything inside the child. "" means it is harmless.
func dangerous(name string) string {
	for _, p := range []string{"LD_", "DYLD_", "_RLD", "GIT_SSH", "GIT_CONFIG", "LUA_INIT", "LUA_PATH", "LUA_CPATH", "BASH_FUNC_", "COR_PROFILER", "CORECLR_PROFILER"} {
		if strings.HasPrefix(name, p) {
			return "variables " + p + "* make programs load code"
		}
	}
	if strings.HasPrefix(name, "OV_") {
		return "variables OV_* steer ov itself"
	}
	if slices.Contains(loaders(), name) {
		return "this variable makes programs load code or run others"
	}
	return ""
}

func loaders() []string {
	return []string{
		// shells
		"PATH", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "IFS", "ZDOTDIR", "FPATH", "SHELL", "CDPATH", "BASH_XTRACEFD",
		"HOME", "XDG_CONFIG_HOME", // every start-up file
		// interpreters
		"NODE_OPTIONS", "NODE_PATH", "npm_config_node_options", "npm_config_script_shell",
		"PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONBREAKPOINT", "PYTHONINSPECT",
		"PERL5LIB", "PERLLIB", "PERL5OPT", "PERL5DB", "RUBYOPT", "RUBYLIB", "GEM_HOME", "GEM_PATH", "BUNDLE_GEMFILE", "PYTHONEXECUTABLE", "ERL_FLAGS", "PHPRC", "PHP_INI_SCAN_DIR", "R_PROFILE", "R_HOME",
		"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "MAVEN_OPTS", "GRADLE_OPTS", "DOTNET_STARTUP_HOOKS",
		// the C library and its friends
		"GCONV_PATH", "GLIBC_TUNABLES", "LOCPATH", "NLSPATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES", "TERMINFO", "TERMINFO_DIRS",
		"LIBPATH", "SHLIB_PATH", "GTK_MODULES", "GTK_PATH", "QT_PLUGIN_PATH",
		// compilers
		"GCC_EXEC_PREFIX", "COMPILER_PATH", "GOFLAGS", "GOTOOLDIR", "GOENV", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "MAKEFLAGS",
		// programs that are started by others
		"GIT_EXEC_PATH", "GIT_PROXY_COMMAND", "GIT_ASKPASS", "GIT_EXTERNAL_DIFF", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_PAGER", "GIT_TEMPLATE_DIR",
		"SSH_ASKPASS", "SUDO_ASKPASS", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN", "LESSCLOSE", "LESS", "BROWSER", "VIMINIT",
	}
}

// scrub returns env without the credentials of ov itself: the child runs with
// some secrets, not with what opens all of them.
func scrub(env []string) []string {
	rest := make([]string, 0, len(env))
	for _, kv := range env {
		if !strings.HasPrefix(kv, "OV_PASSWORD") && !strings.HasPrefix(kv, "OV_MACHINE_KEY") {
			rest = append(rest, kv)
		}
	}
	return rest
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
