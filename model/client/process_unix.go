//go:build unix

package client

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the engine in a process group of its own: Ctrl-C in a terminal is for kaika, which then ends the
// engine when it has put away what is done.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
