; SPDX-License-Identifier: BSD-2-Clause-Patent
; void call_compat(snippet, Snippet32Registers*): 64-bit code calls 32-bit code in compatibility mode
; and comes back. All addresses are below 4 GiB.
%include "guest_asm.inc"

        bits    64
        default rel
        section .text
        global  call_compat
call_compat:
        push    rbx
        push    rbp
        push    CODE32_SELECTOR         ; the far return's CS and RIP
        lea     rax, [.compat]
        push    rax
        o64 retf
        bits    32
.compat:
        mov     eax, esi
        call    edi
        push    dword CODE64_SELECTOR
        call    .here
.here:
        add     dword [esp], .long - .here
        retf
        bits    64
.long:
        pop     rbp
        pop     rbx
        ret
