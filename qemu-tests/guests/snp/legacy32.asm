; SPDX-License-Identifier: BSD-2-Clause-Patent
; PVALIDATE in 32-bit code without paging, where all memory is private and EAX is the address (APM volume
; 3). Ends by a termination request of the MSR protocol: reason set 5, code 0x20 where all was right,
; else the number of the check.
        bits    32

GHCB_MSR        equ 0xC0010130

%macro  pvalidate 1                     ; 1: validate, 0: take back
        mov     eax, edi
        xor     ecx, ecx
        mov     edx, %1
        db      0xF2, 0x0F, 0x01, 0xFF
%endmacro

%macro  expect 2                        ; the carry flag, and EAX = 0; the check's number
        mov     ebp, %2
%if %1
        jnc     finish
%else
        jc      finish
%endif
        test    eax, eax
        jnz     finish
%endmacro

        section .text.entry
        global  entry64
        global  entry32
entry64:
entry32:                                ; EBX: where the image lies (boot/entry_state.h)
        lea     edi, [ebx + 0x1000 + page - entry32]
        pvalidate 1
        expect  1, 1                    ; the launch has validated it
        pvalidate 0
        expect  0, 2
        pvalidate 1
        expect  0, 3
        mov     ebp, 4
        mov     dword [edi], 0x12345678
        cmp     dword [edi], 0x12345678
        jne     finish
        mov     eax, edi                ; 2 MiB on an entry of 4 KiB: the region of the image
        and     eax, 0xFFE00000
        mov     ecx, 1
        mov     edx, 1
        db      0xF2, 0x0F, 0x01, 0xFF
        mov     ebp, 5
        cmp     eax, 6
        jne     finish
        mov     ebp, 0x20
finish: mov     eax, ebp
        shl     eax, 16
        or      eax, 0x5100
        xor     edx, edx
        mov     ecx, GHCB_MSR
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT
        hlt

        align   4096
page:   times 4096 db 0
