; SPDX-License-Identifier: BSD-2-Clause-Patent
; What every processor but the first executes from its SIPI on: from 16-bit code, copied below 1 MiB,
; to processor_main in 64-bit mode at the monitor's place in high memory.
%include "monitor_asm.inc"

        extern  start_cr3               ; start.asm: low memory, and the monitor's own
        extern  start_cr4
        extern  high_gdt_register
        extern  processor_main

STACK_SHIFT     equ 15

        section .start progbits alloc exec write align=4096
        bits    16
        global  processor_start
        global  processor_start_end
processor_start:                        ; CS is the page that it was copied to
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        o32 lgdt [gdt_register - processor_start]
        mov     eax, cr0
        or      al, 1                   ; PE
        mov     cr0, eax
        jmp     dword 0x18:protected_mode
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt
processor_start_end:

        bits    32
protected_mode:                         ; where the monitor was loaded
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     eax, [start_cr4]
        mov     cr4, eax
        mov     eax, [start_cr3]
        mov     cr3, eax
        mov     ecx, EFER_MSR
        mov     eax, EFER_VALUE
        xor     edx, edx
        wrmsr
        mov     eax, CR0_VALUE
        mov     cr0, eax
        jmp     8:long_mode

        bits    64
long_mode:
        mov     rax, high_start
        jmp     rax

        align   8
gdt:    dq      0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CF9B000000FFFF
gdt_end:

        section .text
high_start:
        lgdt    [rel high_gdt_register]
        mov     eax, 1
        cpuid
        shr     ebx, 24                 ; APIC ID (APM volume 3, CPUID function 1)
        mov     edi, ebx
        and     ebx, MOST_VCPUS - 1     ; processor_main turns others away
        inc     ebx
        shl     ebx, STACK_SHIFT
        lea     rsp, [rel stacks]
        add     rsp, rbx
        xor     ebp, ebp
        call    processor_main
.stop:  hlt
        jmp     .stop

        section .bss
        align   4096
stacks: resb    MOST_VCPUS << STACK_SHIFT
