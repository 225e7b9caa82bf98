; SPDX-License-Identifier: BSD-2-Clause-Patent
; The record that igvmtool fills in (boot/hand_over/header.h): in assembly, so that no compiler knows
; its bytes.
%include "guest_asm.inc"

        section .rodata.payload_header progbits alloc noexec nowrite align=8
        global  payload_header
payload_header:
        dd      PAYLOAD_HEADER_VERSION
        times   PAYLOAD_HEADER_SIZE - 4 db 0
