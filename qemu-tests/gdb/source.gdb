# qemu-tests/guests/debugged.cpp, by its names.
break payload_main
continue
print/x info.platform
break innermost
continue
x/2i $rip
backtrace
print wanted
# What it is about to read.
set var wanted.exit_code = 9
print/d wanted.exit_code
# The instruction that raises #VC: the guest's handler is next, with the error code on its stack.
stepi
stepi
print/x *(long *)$rsp
stepi
detach
