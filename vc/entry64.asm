; SPDX-License-Identifier: BSD-2-Clause-Patent
; The runtime handler's interrupt gate leads here. The entry lays the interrupted registers out as a
; vc::Frame (vc/frame.h), calls the handler with the frame's address, and returns to whatever the
; frame holds by then. The CPU has pushed SS, RSP, RFLAGS, CS, RIP and the error code on a stack that
; it aligned to 16 (APM volume 2, section 8.9.3).
%include "guest_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel
        section .text

; All registers are in the frame, so the handler may use them as it likes (Clang's convention
; preserve_none, boot/interrupts.cpp): its argument is in R12. It calls nobody else's code and knows
; no vector registers, so nothing minds where RSP is.
        global  vc_runtime_entry
        extern  vc_runtime_handler
vc_runtime_entry:
        push    r15
        save_after_r15
        mov     r12, rsp
        call    vc_runtime_handler
        restore_from_frame
