//go:build !linux

package frameway_test

import "syscall"

// child returns nothing: a process that ends with the test process is a matter of Linux.
func child() *syscall.SysProcAttr { return nil }
