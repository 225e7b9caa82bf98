; SPDX-License-Identifier: BSD-2-Clause-Patent
; Firmware that does nothing but to ask by the MSR protocol: ROUNDS times for the SEV information (GHCB
; specification, section 2.3.1), in real mode, then for its termination. qemu-tests/side_by_side measures it.
        cpu     x64
        bits    16
        org     0
%ifndef ROUNDS
%define ROUNDS 0
%endif

start:
        mov     esi, ROUNDS
        mov     ecx, 0xC0010130         ; the GHCB MSR
round:
        test    esi, esi
        jz      done
        mov     eax, 2                  ; SEV information, of which EDX says nothing
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT
        dec     esi
        jmp     round
done:
        mov     eax, 0x00F02100         ; SELFTEST_PASSED (ghcb/termination.h)
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9
        hlt

        times   0xFFF0 - ($ - $$) db 0
        jmp     near start
        times   0x10000 - ($ - $$) db 0
