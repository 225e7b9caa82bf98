; SPDX-License-Identifier: BSD-2-Clause-Patent
; A unified kernel image around the bzImage of this folder (the UAPI group's specification): a PE file
; whose sections carry kernel, initrd and command line, and a second profile that is nobody's business.
; Its own program is one instruction: nobody is to start it. BROKEN, if it is defined, says what is
; wrong with it.
%define ALIGN 512
%ifndef BROKEN
%define BROKEN
%endif
%define is_broken(what) %isidn(BROKEN, what)

        bits    64
        org     0

        db      "MZ"
        times   0x3C - ($ - $$) db 0
        dd      pe
pe:     dd      "PE"
%if is_broken(machine)
        dw      0x014C                  ; Machine: i386
%else
        dw      0x8664                  ; x86-64
%endif
%if is_broken(table)
        dw      0xFFFF                  ; NumberOfSections
%else
        dw      (sections_end - sections) / 40
%endif
        dd      0, 0, 0
        dw      optional_end - optional
        dw      0x0022                  ; executable, large addresses
optional:
        dw      0x020B                  ; PE32+: nobody reads what follows
        times   110 db 0
optional_end:

%macro  section_header 3                ; name, label, length that counts
%%name: db      %1
        times   8 - ($ - %%name) db 0
        dd      %3
        dd      0x10000 + %2
        dd      %2_end - %2
        dd      %2
        times   16 db 0
%endmacro

sections:
        section_header ".text", code, 1
%if is_broken(two)
        section_header ".cmdline", line, line_length
%endif
        section_header ".cmdline", line, line_length
        section_header ".initrd", initrd, 5000
%if is_broken(linux)
        section_header ".linu", kernel, KERNEL_SIZE
%elif is_broken(cut)
        section_header ".linux", kernel, 0x10000000
%elif is_broken(kernel)
        section_header ".linux", initrd, 5000
%else
        section_header ".linux", kernel, KERNEL_SIZE
%endif
        section_header ".profile", code, 1
        section_header ".cmdline", code, 1
sections_end:

%macro  filled 0
        times   (ALIGN - ($ - $$) % ALIGN) % ALIGN db 0
%endmacro

        filled
code:   ret
        filled
code_end:
line:   db      "console=ttyS0 quiet", 10, 0
line_length equ $ - line
        filled
line_end:
initrd: times   5000 db "A"
        filled
initrd_end:
kernel: incbin  KERNEL
KERNEL_SIZE equ $ - kernel
        filled
kernel_end:
