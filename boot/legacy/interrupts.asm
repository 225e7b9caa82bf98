; SPDX-License-Identifier: BSD-2-Clause-Patent
; Where 32-bit legacy mode enters the C++ of boot/legacy: from boot/entry32.asm, and from the gates of
; its IDT.
%include "guest_asm.inc"

        bits    32
        extern  legacy_main
        extern  legacy_exception

; The first byte: linker/legacy.ld. Arguments and result are legacy_main's.
        section .text.start progbits alloc exec nowrite align=16
        global  legacy_start
legacy_start:
        jmp     legacy_main

        section .text

; One entry a vector, 4 bytes apart (boot/legacy/handlers.cpp). All take the same way from here: at a
; vector without an error code the rest of the frame is displaced by a word, but such a one ends the
; guest and needs nothing of it.
        align   16
exception_entries:
%assign vector 0
%rep    32
        push    byte vector
        jmp     short exception_common
%assign vector vector + 1
%endrep

exception_common:
        pushad
%if FRAME32_EAX != 7 * 4 || FRAME32_VECTOR != 8 * 4
%error  "vc::Frame32 and these pushes disagree"
%endif
        cld                             ; DF = 0, whatever the interrupted code had
        mov     eax, esp                ; the frame
        call    legacy_exception
        popad
        add     esp, 8                  ; vector and error code
        iretd

; u32 legacy_exception_entries(): the address of the first, where this code happens to lie.
        global  legacy_exception_entries
legacy_exception_entries:
        call    .here
.here:
        pop     eax
        add     eax, exception_entries - .here
        ret
