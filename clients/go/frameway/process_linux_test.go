package frameway_test

import "syscall"

// child makes a process end with the test process, even one that is killed.
func child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
