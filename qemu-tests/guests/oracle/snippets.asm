; SPDX-License-Identifier: BSD-2-Clause-Patent
; The table of snippets: one row for each form of each instruction that the #VC runtime serves, with
; the values at which it could go wrong. What each must do is for the CPU to say.
;
; What is not here, because there is nothing to compare with: what QEMU 7.2 does natively, as seen
; here, is not what a CPU does, or the machine is another.
;
;   RDPMC                                    raises #UD
;   MONITORX, MWAITX                         raise #UD, under SEV-ES too
;   VMMCALL                                  raises #UD without a hypervisor that intercepts it
;   RDMSR, WRMSR of no register              reads 0 and writes nothing, no #GP
;   CPUID 0x8000000A, 0x8000001F, 0x4000xxxx, and how far leaves go
;                                            the emulated hypervisor says what the CPU does not
;   RDTSC(P), RDMSR of the TSC               the value: it moves on
;   MOV DR7 with bits 11, 12, 14, 15         keeps them, which read as zero (APM volume 2, 13.1)
;   segment limits and types, null selectors not checked in protected mode
;   LOCK before what does not take it        executed, or #UD behind the load of the operand
;   REX before another prefix                counts all the same (APM volume 3, 1.2.7)
;   ES, CS, SS, DS prefixes in 64-bit code   add the base of the last descriptor loaded
;   F6 /1 and F7 /1, TEST                    raise #UD (APM volume 3, A.2.1, group 3)
;   RF                                       cleared at the end of a translation block only, and not
;                                            pushed as one by faults
;   SS of a handler on an IST stack          null without a change of CPL
;   RSP[31:16] after IRET to a 16-bit stack  not restored; nor are they by a CPU
;
; And what the runtime does not serve as a CPU would, on purpose:
;
;   MMIO at CPL 3                            refused (vc/policy.h)
;   MMIO across the end of a page            ends the guest (vc/mmio.h)
;   INS and OUTS with an operand in device memory
;                                            the handler's own access raises #VC: ends the guest
;   REP INS and OUTS with an interrupt pending
;                                            taken between batches, not between iterations
;   instructions with a memory operand that vc/opcodes.h does not have
;                                            end the guest
%include "qemu-tests/guests/oracle/row.inc"

        section .rodata
        align   8
        global  snippet_rows
        global  snippet_rows_end
snippet_rows:
%include "qemu-tests/guests/oracle/rows_plain.inc"
%include "qemu-tests/guests/oracle/rows_ioio.inc"
%include "qemu-tests/guests/oracle/rows_string_io.inc"
%include "qemu-tests/guests/oracle/rows_string_io_segments.inc"
%include "qemu-tests/guests/oracle/rows_string_io_pages.inc"
%include "qemu-tests/guests/oracle/rows_mmio_move.inc"
%include "qemu-tests/guests/oracle/rows_mmio_address.inc"
%include "qemu-tests/guests/oracle/rows_mmio_alu.inc"
%include "qemu-tests/guests/oracle/rows_mmio_string.inc"
%include "qemu-tests/guests/oracle/rows_moments.inc"
snippet_rows_end:
