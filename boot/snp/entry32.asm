; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of an SEV-SNP guest in 32-bit legacy protected mode: what boot/entry32.asm
; uses is validated, then it goes on there. Without paging all memory is private, so PVALIDATE takes
; the address as it is.
;
; Nothing here can raise #VC: no memory is accessed, and PVALIDATE cannot be intercepted.
%include "guest_asm.inc"
%include "boot/snp/pvalidate.inc"

        bits    32
        extern  bss_start_offset
        extern  bss_end_offset
        extern  entry32

        section .text.snp_entry progbits alloc exec nowrite align=16
        global  entry32_snp
entry32_snp:
        mov     edi, ebx                ; the image's first page, for the page tables
        validate_page .failed
        lea     edi, [ebx + bss_start_offset]
        lea     ebp, [ebx + bss_end_offset]
.next:
        validate_page .failed
        add     edi, PAGE_SIZE
        cmp     edi, ebp
        jb      .next
        jmp     entry32

.failed:
        end_over_pvalidate
