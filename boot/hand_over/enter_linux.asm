; SPDX-License-Identifier: BSD-2-Clause-Patent
; Enters a Linux kernel by its 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot
; Protocol"): paging on with the kernel, its zero page and command line identity-mapped, interrupts
; off, CS = __BOOT_CS (0x10), DS, ES and SS = __BOOT_DS (0x18), RSI = the zero page.
;
; The stub's #VC handler stays in charge until the kernel loads an IDT of its own, and its gates name
; selector 8: so the table that is loaded here has the stub's code segment there too.
        bits    64
        default rel

        section .text
; void enter_linux(u64 entry, u64 zero_page)
        global  enter_linux
enter_linux:
        lea     rax, [gdt]
        sub     rsp, 16
        mov     word [rsp], gdt.end - gdt - 1
        mov     [rsp + 2], rax
        lgdt    [rsp]
        mov     eax, 0x18
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        push    0x10                    ; the far return's CS,
        push    rdi                     ; and its RIP
        retfq                           ; RSI is the zero page already

        section .rodata
        align   8
gdt:
        dq      0
        dq      0x00AF9B000000FFFF      ; 0x08: 64-bit code, as in the stub (boot/gdt.h)
        dq      0x00AF9B000000FFFF      ; 0x10: the same
        dq      0x00CF93000000FFFF      ; 0x18: flat data
.end:
