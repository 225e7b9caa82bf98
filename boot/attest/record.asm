; SPDX-License-Identifier: BSD-2-Clause-Patent
; The record that igvmtool fills in (boot/attest/record.h): in assembly, so that no compiler knows its
; bytes.
%include "guest_asm.inc"

        section .rodata.attest_record progbits alloc noexec nowrite align=8
        global  attest_record
attest_record:
        dd      ATTEST_RECORD_VERSION
        times   ATTEST_RECORD_SIZE - 4 db 0
