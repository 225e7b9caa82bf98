; SPDX-License-Identifier: BSD-2-Clause-Patent
; A flat binary as a payload, entered at its first byte with the boot info in RDI: says that it runs
; and whether the magic is there, then exits with code 0.
        bits    64
        default rel

        mov     rax, 0x004F464E49534556
        lea     rsi, [right]
        cmp     rax, [rdi]
        je      say
        lea     rsi, [wrong]
say:
        mov     dx, 0x3F8
next:
        lodsb
        test    al, al
        jz      end
        out     dx, al
        jmp     next
end:
        out     0xF4, al
        hlt

right:  db      "flat: boot info", 10, 0
wrong:  db      "flat: NO boot info", 10, 0
