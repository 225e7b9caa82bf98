; SPDX-License-Identifier: BSD-2-Clause-Patent
; The stub's images as efi/embed_stub.cpp has laid them flat: read-only, since they are copied to where
; they run.
        section .rdata align=16
        global  selftest_bytes
selftest_bytes:
        incbin  "efi/selftest.bin"
        align   16, db 0
        global  hand_over_bytes
hand_over_bytes:
        incbin  "efi/hand_over.bin"

; The way into a PVH kernel, a flat binary of its own (boot/pvh/record.h).
        align   16, db 0
        global  enter_pvh_bytes
        global  enter_pvh_end
enter_pvh_bytes:
        incbin  "efi/enter_pvh.bin"
enter_pvh_end:

; The way of further vCPUs from the firmware to the stub (boot/jump_table/record.h).
        align   16, db 0
        global  jump_table_arrive_bytes
        global  jump_table_arrive_end
jump_table_arrive_bytes:
        incbin  "efi/jump_table_arrive.bin"
jump_table_arrive_end:
