; SPDX-License-Identifier: BSD-2-Clause-Patent
; A PVH kernel's first instructions (Xen's docs/misc/pvh.pandoc): keeps what it was handed, and goes to
; 64-bit mode, where qemu-tests/payloads/pvh.cpp tells it. In an SEV-ES guest the CPUIDs in here are
; #VCs of 32-bit code without paging, which whoever started the kernel serves; from 64-bit mode on it
; serves its own.
%include "guest_asm.inc"

PRESENT_TABLE   equ     0x23            ; present, writable, accessed
PRESENT_MEMORY  equ     0xE3            ; and dirty, 2 MiB
CPUID_SEV       equ     1
SEV_STATUS_ES   equ     2

        section .note.Xen note alloc noexec nowrite align=4
        dd      4, 4, 18                ; XEN_ELFNOTE_PHYS32_ENTRY
        db      "Xen", 0
        dd      pvh_start

        bits    32
        section .text
        global  pvh_start
pvh_start:
        mov     [handed.start_info], ebx
        mov     esp, stack_top
        mov     eax, cr0
        mov     [handed.cr0], eax
        mov     eax, cr4
        mov     [handed.cr4], eax
        pushfd
        pop     dword [handed.eflags]
        mov     [handed.cs], cs
        mov     [handed.ds], ds
        mov     [handed.es], es
        mov     [handed.ss], ss
        str     [handed.tr]
        sgdt    [handed.gdtr]

; The C-bit, as bits 63:32 of a page-table entry, in EDI; 0 without SEV-ES.
        xor     edi, edi
        mov     eax, 0x80000000
        cpuid
        cmp     eax, 0x8000001F
        jb      make_tables
        mov     eax, 0x8000001F
        xor     ecx, ecx
        cpuid
        bt      eax, CPUID_SEV
        jnc     make_tables
        mov     esi, ebx
        mov     ecx, MSR_SEV_STATUS
        rdmsr
        test    eax, SEV_STATUS_ES
        jz      make_tables
        lea     ecx, [esi - 32]         ; modulo 32: the position is in bits 5:0
        mov     edi, 1
        shl     edi, cl

; The first 4 GiB as they are, private; at 4 GiB the 2 MiB with the GHCB's page once more, shared.
make_tables:
        mov     [handed.c_bit_high], edi
        mov     eax, PRESENT_MEMORY
        mov     ebx, directories
.entry: mov     [ebx], eax
        mov     [ebx + 4], edi
        add     ebx, 8
        add     eax, 0x200000
        jnc     .entry
        mov     eax, directories + PRESENT_TABLE
        mov     ebx, directory_pointers
        mov     ecx, 5
.table: mov     [ebx], eax
        mov     [ebx + 4], edi
        add     ebx, 8
        add     eax, 4096
        loop    .table
        mov     dword [pml4], directory_pointers + PRESENT_TABLE
        mov     [pml4 + 4], edi
        mov     eax, ghcb
        and     eax, ~0x1FFFFF
        or      eax, PRESENT_MEMORY
        mov     [shared_directory], eax

        mov     eax, CR4_PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_LME
        wrmsr
        lgdt    [gdtr]
        mov     eax, cr0
        or      eax, CR0_PG
        mov     cr0, eax
        jmp     8:long_mode

        bits    64
long_mode:
        mov     eax, 16
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        extern  pvh_main
        call    pvh_main
        ud2

; Where exceptions end.
        global  fault
        extern  vestibule_terminate
fault:
        xor     edi, edi
        and     rsp, -16
        call    vestibule_terminate

        section .data
        align   8
gdtr:   dw      39
        dq      gdt
        align   8
        global  gdt
gdt:    dq      0, CODE64_SEGMENT, DATA_SEGMENT, 0, 0 ; the last two for a TSS

        section .bss
        align   4096
        global  ghcb
ghcb:   resb    4096
pml4:   resb    4096
directory_pointers:
        resb    4096
directories:
        resb    4 * 4096
shared_directory:
        resb    4096
        resb    16384
stack_top:
        global  handed
handed:                                 ; pvh.cpp, Handed
.start_info:
        resd    1
.cr0:   resd    1
.cr4:   resd    1
.eflags:
        resd    1
.c_bit_high:
        resd    1
.cs:    resw    1
.ds:    resw    1
.es:    resw    1
.ss:    resw    1
.tr:    resw    1
.gdtr:  resb    6
