; SPDX-License-Identifier: BSD-2-Clause-Patent
; The record that igvmtool fills in (boot/hand_over/snp_launch.h): in assembly, so that no compiler
; knows its bytes.
%include "guest_asm.inc"

        section .rodata.snp_launch progbits alloc noexec nowrite align=8
        global  snp_launch
snp_launch:
        dd      SNP_LAUNCH_VERSION
        times   SNP_LAUNCH_SIZE - 4 db 0
