; SPDX-License-Identifier: BSD-2-Clause-Patent
; ELF64 payloads, most of which no machine can start, for what the EFI application says to them:
; -DTYPE=2 or 3, -DADDRESS, -DMEMORY, and with -DPVH=<distance of the entry point from the code> a note
; that asks for the 32-bit entry of PVH, in which -DNAME_SIZE and -DENTRY_SIZE may be wrong. What it does
; when entered is to exit with code 0 by OUT, or with -DUD to raise #UD.
%ifndef NAME_SIZE
%define NAME_SIZE 4
%endif
%ifndef ENTRY_SIZE
%define ENTRY_SIZE 4
%endif
        bits    64
        org     0

        db      0x7F, "ELF", 2, 1, 1
        times   9 db 0
        dw      TYPE, 62
        dd      1
        dq      ADDRESS + code, headers, 0
        dd      0
        dw      64, 56
%ifdef PVH
        dw      2
%else
        dw      1
%endif
        dw      64, 0, 0

headers:
        dd      1, 5                    ; PT_LOAD, readable and executable
        dq      0, ADDRESS, ADDRESS, end, MEMORY, 4096
%ifdef PVH
        dd      4, 4                    ; PT_NOTE
        dq      note, 0, 0, end - note, end - note, 4
%endif
code:
%ifdef UD
        ud2
%endif
        xor     eax, eax                ; the same in 32-bit and 64-bit mode
        out     0xF4, al
        hlt
%ifdef PVH
        align   4, db 0
note:   dd      NAME_SIZE, ENTRY_SIZE, 18 ; XEN_ELFNOTE_PHYS32_ENTRY
        db      "Xen", 0
        dd      ADDRESS + code + PVH
%endif
end:
