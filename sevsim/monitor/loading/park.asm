; SPDX-License-Identifier: BSD-2-Clause-Patent
; What firmware leaves of itself in the guest for its second vCPU and further ones (parking.cpp): a
; page with the AP jump table, behind it the code that waits in AP reset hold and then follows the
; table. 16-bit code, in the guest, where it can raise no #VC: the GHCB MSR is never intercepted.
GHCB_MSR        equ     0xC0010130
RESET_HOLD      equ     0x006
RESET_HOLD_DONE equ     0x007

        bits    16
        section .rodata
        global  parking_page
        global  parking_code
        global  parking_page_end
parking_page:
        dw      0, 0                    ; the table: where to, IP and CS
parking_code:
        mov     ecx, GHCB_MSR
        mov     eax, RESET_HOLD
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT
        rdmsr
        mov     ebx, eax
        and     bx, 0xFFF
        cmp     bx, RESET_HOLD_DONE
        jne     parking_code
        shr     eax, 12
        or      eax, edx
        jz      parking_code            ; woken, but not by a SIPI
        jmp     far [cs:0]
parking_page_end:
