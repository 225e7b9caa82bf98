; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of an SEV-SNP guest in compatibility mode: boot/entry_compat.asm, but for the
; stack. The stub's own is not validated, and this code cannot leave for 64-bit mode without one; so it
; takes a few words of its own page, which the initial page tables let it write to.
;
; EDI is how far into entry64_snp it goes: 0, or below VMPL 0, where all of the image is loaded and
; nothing validates it but the service, to entry64_snp_validated (igvm/image/guest_layout.cpp).
%include "guest_asm.inc"
%include "boot/gdt32.inc"

        bits    32
        extern  snp_first_stack_offset
        extern  entry64_snp_offset

        section .text.snp_entry progbits alloc exec nowrite align=16
        global  entry_compat_snp
entry_compat_snp:
        cld                             ; assume nothing
        lea     esp, [ebx + snp_first_stack_offset]
        load_gdt32
        push    dword CODE64_SELECTOR   ; the far return's CS,
        lea     eax, [ebx + edi + entry64_snp_offset]
        push    eax                     ; and its EIP
        retf                            ; to 64-bit mode; entry64_snp starts its stack afresh

        align   8
        times   16 db 0
        global  snp_first_stack
snp_first_stack:                        ; its end
