; SPDX-License-Identifier: BSD-2-Clause-Patent
; Firmware for a debugger: it goes through the paging modes, leaves in each something to be read, and ends
; well only where the debugger has written to its memory (qemu-tests/gdb.cmake). Code and memory lie where a
; debugger finds them without symbols: a breakpoint of each mode at the beginning of a block of 256 bytes.
        cpu     x64
LOW     equ     0x8000                  ; where the code runs, with CS based at 0
SIZE    equ     0x800
WORD_AT equ     0x7000
TABLES  equ     0x10000                 ; legacy: a directory of 4 MiB pages
PAE     equ     0x11000
PAE_DIR equ     0x12000
LEVEL_4 equ     0x13000
LEVEL_3 equ     0x14000
LEVEL_2 equ     0x15000
ALIAS   equ     0x400000                ; linear, of what lies at 0, or of PAGES
PAGES   equ     0x200000                ; in 64-bit mode: shared, and private at ALIAS
WANTED  equ     0x600D                  ; what the debugger is to write
C_BIT_HIGH equ  1 << (47 - 32)
SELFTEST_PASSED equ 0x00F02100          ; termination requests (ghcb/termination.h)
SELFTEST_FAILED equ 0x00F12100
CODE32  equ     0x08
DATA    equ     0x10
CODE64  equ     0x18

; Instructions that read the same in code of any width.
%macro stop_at 1
        jmp     near %%there
        times   %1 * 0x100 - ($ - $$) db 0
%%there:
        clc
        cld
        nop
%endmacro

%macro paging_off 0
        mov     eax, cr0
        and     eax, 0x7FFFFFFF
        mov     cr0, eax
%endmacro

%macro paging_on 0
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
%endmacro

        section .low start=0 vstart=LOW
        bits    16
        mov     dword [WORD_AT], 0x16161616
        stop_at 1
        lgdt    [gdt_register]
        mov     eax, cr0
        or      eax, 1
        mov     cr0, eax
        jmp     dword CODE32:protected

        bits    32
protected:
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     dword [WORD_AT], 0x32323232
        stop_at 2
        mov     edi, TABLES
        mov     ecx, (LEVEL_2 + 0x1000 - TABLES) / 4
        xor     eax, eax
        rep stosd
        mov     dword [TABLES], 0x83    ; 4 MiB pages: the first, and once more behind it
        mov     dword [TABLES + 4], 0x83
        mov     eax, cr4
        or      eax, 0x10               ; PSE
        mov     cr4, eax
        mov     eax, TABLES
        mov     cr3, eax
        paging_on
        jmp     short .paged
.paged: mov     dword [ALIAS + WORD_AT], 0x33333333
        stop_at 3
        paging_off
        mov     dword [PAE], PAE_DIR + 1
        mov     dword [PAE_DIR], 0x83
        mov     dword [PAE_DIR + 2 * 8], 0x83
        mov     eax, cr4
        or      eax, 0x20               ; PAE
        mov     cr4, eax
        mov     eax, PAE
        mov     cr3, eax
        paging_on
        jmp     short .pae
.pae:   mov     dword [ALIAS + WORD_AT], 0x44444444
        stop_at 4
        paging_off
        mov     dword [LEVEL_4], LEVEL_3 + 3
        mov     dword [LEVEL_4 + 4], C_BIT_HIGH
        mov     dword [LEVEL_3], LEVEL_2 + 3
        mov     dword [LEVEL_3 + 4], C_BIT_HIGH
        mov     dword [LEVEL_2], 0x83
        mov     dword [LEVEL_2 + 4], C_BIT_HIGH
        mov     dword [LEVEL_2 + 1 * 8], PAGES + 0x83
        mov     dword [LEVEL_2 + 2 * 8], PAGES + 0x83
        mov     dword [LEVEL_2 + 2 * 8 + 4], C_BIT_HIGH
        mov     eax, LEVEL_4
        mov     cr3, eax
        mov     ecx, 0xC0000080         ; EFER
        rdmsr
        or      eax, 0x100              ; LME
        wrmsr
        paging_on
        jmp     CODE64:long_mode

        bits    64
long_mode:
        mov     dword [PAGES], 0x53535353 ; without the C-bit
        mov     dword [ALIAS + 0x1000], 0x50505050
        stop_at 5
        mov     eax, SELFTEST_PASSED
        mov     ecx, SELFTEST_FAILED
        cmp     dword [ALIAS + 0x1000], WANTED
        cmovne  eax, ecx
        cmp     dword [PAGES], WANTED
        cmovne  eax, ecx
        mov     ecx, 0xC0010130         ; the GHCB MSR
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT
        hlt

        align   8
gdt:    dq      0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00AF9B000000FFFF
gdt_register:
        dw      gdt_register - gdt - 1
        dd      gdt
        times   SIZE - ($ - $$) db 0

        section .rom start=0xF000 vstart=0xF000
        bits    16
start:
        cli
        cld
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, WORD_AT
        xor     si, si
        mov     di, LOW
        mov     cx, SIZE
        cs rep movsb
        jmp     0:LOW
        times   0xFF0 - ($ - $$) db 0
        jmp     near start
        times   0x1000 - ($ - $$) db 0
