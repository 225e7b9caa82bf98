; SPDX-License-Identifier: BSD-2-Clause-Patent
; The payload that examiner.efi carries (efi/carried_volume.cpp).
        section .rdata align=16
        global  examiner_bytes
        global  examiner_end
examiner_bytes:
        incbin  "efi/examiner.elf"
examiner_end:
