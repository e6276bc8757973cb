//go:build unix

package client

import (
	"fmt"
	"os/exec"
	"syscall"
)

// ownGroup puts the engine in a process group of its own: Ctrl-C in a terminal is for kaika, which then ends the
// engine when it has put away what is done.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// giveWay lowers the priority of all threads of an engine that ownGroup started: where both want the processor, the
// window comes first. A group is named, because Linux would take a process for its first thread.
func giveWay(pid int) error {
	const niceness = 10 // Of -20 to 19; a tenth of the processor's time beside somebody of 0.
	if err := syscall.Setpriority(syscall.PRIO_PGRP, pid, niceness); err != nil {
		return fmt.Errorf("lowering the engine's priority: %w", err)
	}
	return nil
}
