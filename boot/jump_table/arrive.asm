; SPDX-License-Identifier: BSD-2-Clause-Patent
; Where the firmware's AP jump table leads, for a payload with boot info (boot/jump_table/record.h): from
; real mode to 64-bit mode, on page tables of this code's own placer, to the stub's waiting place. Runs
; at any page below 1 MiB. Nothing here raises #VC: what an SEV-ES guest writes to control registers and
; to EFER is among the automatic exits (APM volume 2, section 15.35).
%include "guest_asm.inc"

        bits    16
        org     0

tables: dd      0
entry:  dd      0

begin:
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        movzx   ebx, ax
        shl     ebx, 4                  ; this page
        lea     eax, [ebx + gdt]        ; each vCPU writes the same
        mov     [gdtr + 2], eax
        lea     eax, [ebx + protected]
        mov     [to_protected], eax
        lea     eax, [ebx + long_mode]
        mov     [to_long_mode], eax
        o32 lgdt [gdtr]
        lidt    [no_idt]
        mov     eax, CR0_PE | CR0_ET
        mov     cr0, eax
        jmp     far dword [to_protected]

        bits    32
protected:
        mov     eax, DATA_SELECTOR
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        mov     eax, PAGING_CR4
        mov     cr4, eax
        mov     eax, [ebx + tables]     ; no C-bit: a page walk is private anyway
        mov     cr3, eax
        mov     ecx, MSR_EFER
        mov     eax, PAGING_EFER & ~EFER_LMA
        xor     edx, edx
        wrmsr
        mov     eax, PAGING_CR0
        mov     cr0, eax
        jmp     far [ebx + to_long_mode]

        bits    64
long_mode:
        mov     eax, [rbx + entry]
        jmp     rax

        align   8, db 0
gdt:
        dq      0                       ; with the selectors of the stub's own table (boot/gdt.h)
        dq      CODE64_SEGMENT
        dq      DATA_SEGMENT
        dq      CODE32_SEGMENT
.end:
gdtr:   dw      gdt.end - gdt - 1
        dd      0
no_idt: dw      0
        dd      0
to_protected:
        dd      0
        dw      CODE32_SELECTOR
to_long_mode:
        dd      0
        dw      CODE64_SELECTOR
