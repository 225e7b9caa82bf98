; SPDX-License-Identifier: BSD-2-Clause-Patent
; From multiboot (32-bit protected mode, no paging) to monitor_main in 64-bit mode at its place in
; high memory. Multiboot specification 0.6.96, section 3.
%include "monitor_asm.inc"

        extern  monitor_begin
        extern  monitor_load_end
        extern  monitor_end
        extern  monitor_load_address
        extern  monitor_main
        global  start_cr3               ; processor/start.asm
        global  start_cr4
        global  high_gdt_register
        global  stack_top               ; batch.cpp

MULTIBOOT_MAGIC equ 0x1BADB002
MULTIBOOT_FLAGS equ 0x00010003          ; page-aligned modules, memory map, addresses below are used
PAGE_PRESENT    equ 3                   ; present, writable
PAGE_LARGE      equ 0x83
CMOS_INDEX      equ 0x70
CMOS_DATA       equ 0x71
CMOS_HIGH       equ 0x5B                ; three bytes: memory from 4 GiB on, in pieces of 64 KiB
FOUR_GIB        equ 4                   ; in GiB
LA57_FEATURE    equ 16                  ; of CPUID function 7, ECX

        section .start progbits alloc exec write align=4096
        bits    32
        global  monitor_start

        align   4
header: dd      MULTIBOOT_MAGIC
        dd      MULTIBOOT_FLAGS
        dd      -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        dd      header                  ; header_addr
        dd      header                  ; load_addr: where the header stands in the file, loading begins
        dd      0                       ; load_end_addr: the whole file
        dd      0                       ; bss_end_addr: none
        dd      monitor_start           ; entry_addr

monitor_start:
        cli
        cld
        mov     ebp, ebx                ; multiboot information

        ; The first 512 GiB, identity, in 1 GiB pages.
        xor     ecx, ecx
.gigabyte:
        mov     eax, ecx
        shl     eax, 30
        or      eax, PAGE_LARGE
        mov     [identity + ecx * 8], eax
        mov     eax, ecx
        shr     eax, 2
        mov     [identity + ecx * 8 + 4], eax
        inc     ecx
        cmp     ecx, 512
        jne     .gigabyte
        mov     dword [root], identity + PAGE_PRESENT
        ; The last 2 GiB of the address space: the monitor's own memory. QEMU puts its device behind
        ; all other memory, at the next multiple of 1 GiB (sevsim/memory_map.h).
        xor     edx, edx
        mov     ecx, 2
.memory:
        lea     eax, [ecx + CMOS_HIGH]
        out     CMOS_INDEX, al
        in      al, CMOS_DATA
        shl     edx, 8
        mov     dl, al
        dec     ecx
        jns     .memory
        add     edx, 0x3FFF
        shr     edx, 14                 ; in GiB
        add     edx, FOUR_GIB
        mov     [device_gib], edx
        mov     dword [root + 511 * 8], high + PAGE_PRESENT
        mov     eax, edx
        shl     eax, 30
        or      eax, PAGE_LARGE
        mov     [high + 510 * 8], eax
        shr     edx, 2
        mov     [high + 510 * 8 + 4], edx

        ; Five levels where there are five (options.c_bit of the host command): the lowest and the
        ; highest of 512 parts are the same, so that all addresses stay what they are with four.
        mov     dword [top], root + PAGE_PRESENT
        mov     dword [top + 511 * 8], root + PAGE_PRESENT
        mov     eax, 7
        xor     ecx, ecx
        cpuid
        bt      ecx, LA57_FEATURE
        jnc     .four_levels
        mov     dword [start_cr3], top
        or      dword [start_cr4], CR4_LA57
.four_levels:
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
        lgdt    [gdt_register]
        jmp     8:start64

        bits    64
start64:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     rdi, monitor_begin      ; the rest of the file goes up
        mov     rsi, monitor_load_address
        mov     rcx, monitor_load_end
        sub     rcx, rdi
        rep movsb
        mov     rcx, monitor_end
        sub     rcx, rdi
        xor     eax, eax
        rep stosb
        mov     esi, [device_gib]
        shl     rsi, 30                 ; where the monitor is now
        mov     rax, high_entry
        jmp     rax

        align   8
gdt:    dq      0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
gdt_register:
        dw      gdt_register - gdt - 1
        dd      gdt

device_gib:
        dd      0
start_cr3:
        dd      root
start_cr4:
        dd      CR4_VALUE

        align   4096
top:    times   512 dq 0
root:   times   512 dq 0
identity:
        times   512 dq 0
high:   times   512 dq 0

        section .text
high_entry:
        lgdt    [rel high_gdt_register] ; the low one goes with low memory
        mov     rsp, stack_top
        mov     edi, ebp                ; multiboot information
        call    monitor_main
.stop:  hlt
        jmp     .stop

; Exceptions of the monitor itself: one entry, which only has to tell. IDT entries differ in whether
; an error code was pushed, so the handler gets the raw stack.
        extern  monitor_exception
        global  monitor_exception_entry
monitor_exception_entry:
        mov     rdi, rsp
        mov     rsi, cr2
        and     rsp, -16
        call    monitor_exception

        section .data
        align   8
high_gdt:
        dq      0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
high_gdt_register:
        dw      high_gdt_register - high_gdt - 1
        dq      high_gdt

        section .bss
        align   4096
        resb    65536
stack_top:
