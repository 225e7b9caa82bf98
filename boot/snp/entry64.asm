; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of an SEV-SNP guest in 64-bit mode, and its #VC entry. On entry as
; boot/entry64.asm has it; the measured state of the vCPU names this entry for SEV-SNP and that one
; otherwise, so that neither has to find out what runs it before it has an exception handler.
;
; What the launch did not load is assigned to the guest (it is an IGVM file's required memory) and not
; validated: an access would be #VC 0x404, which nobody serves yet. So the stub's cleared memory is
; validated before anything uses it. No VMGEXIT is needed, and PVALIDATE cannot be intercepted.
%include "guest_asm.inc"
%include "boot/snp/pvalidate.inc"
%include "vc/frame.inc"

        bits    64
        default rel

        extern  bss_start
        extern  cleared_start
        extern  bss_end
        extern  stack_top
        extern  snp_main
        extern  snp_vc_handler

        section .text.snp_entry progbits alloc exec nowrite align=16
        global  entry64_snp
entry64_snp:
        cld                             ; assume nothing
        lea     rdi, [bss_start]
        lea     rsi, [bss_end]
.next:
        validate_page pvalidate_failed
        add     rdi, PAGE_SIZE
        cmp     rdi, rsi
        jb      .next

; The same, where all memory of the image is validated: by the 32-bit entry, or by firmware.
        global  entry64_snp_validated
entry64_snp_validated:
        cld
        lea     rdi, [cleared_start]    ; validated memory holds noise
        lea     rcx, [bss_end]
        sub     rcx, rdi
        shr     rcx, 3
        xor     eax, eax
        rep stosq
        lea     rsp, [stack_top]
        xor     ebp, ebp
        call    snp_main
        ud2                             ; it does not return

pvalidate_failed:
        end_over_pvalidate

; The gate of #VC: vc/entry64.asm with another handler.
        section .text
        global  snp_vc_entry
snp_vc_entry:
        push    r15
        save_after_r15
        mov     r12, rsp
        call    snp_vc_handler
        restore_from_frame
