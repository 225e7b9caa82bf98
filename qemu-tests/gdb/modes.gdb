# Each paging mode of qemu-tests/firmware/debugged.asm. Code and data are read by linear addresses.
break *0x8100
break *0x8200
break *0x8300
break *0x8400
break *0x8500
continue
x/2i $rip
x/wx 0x7000
continue
x/2i $rip
x/wx 0x7000
continue
x/2i $rip
x/wx 0x407000
continue
x/2i $rip
x/wx 0x407000
continue
x/2i $rip
# The shared view; the private one of that page was overwritten by it.
x/wx 0x200000
x/wx 0x400000
# The private view, and what of it the shared one shows.
x/wx 0x401000
x/wx 0x201000
# Neither page is mapped.
x/wx 0x600000
# Two pages at once.
x/2wx 0x401ffc
# Written through either view: the guest ends well where it finds that.
set *(int *)0x200000 = 0x600d
set *(int *)0x401000 = 0x600d
x/wx 0x200000
x/wx 0x401000
stepi
stepi
continue
