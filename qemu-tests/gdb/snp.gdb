# The selftest as an SEV-SNP guest with two vCPUs, of which the second one starts late.
break payload_main
continue
print/x info.platform
backtrace 3
# The GHCB page is shared, and says which version is spoken; where RAM is not validated nothing is to be read.
print/d *(unsigned short *)(info.ghcb_gpa + 0xffa)
x/wx 0x3f00000
break ap_main
continue
info threads
x/2i $rip
print/d (int)ap_arrived
stepi
thread 1
x/i $rip
# The second one ends in a halt, of which only INIT wakes it, while the first one is single-stepped.
delete
stepi 40
x/i $rip
detach
