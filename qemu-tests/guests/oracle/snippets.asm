; The table of snippets: one row for each form of each instruction that the #VC runtime serves, with
; the values at which it could go wrong. What each must do is for the CPU to say.
%include "qemu-tests/guests/oracle/row.inc"

        section .rodata
        align   8
        global  snippet_rows
        global  snippet_rows_end
snippet_rows:
%include "qemu-tests/guests/oracle/rows_plain.inc"
%include "qemu-tests/guests/oracle/rows_ioio.inc"
%include "qemu-tests/guests/oracle/rows_string_io.inc"
%include "qemu-tests/guests/oracle/rows_mmio_move.inc"
%include "qemu-tests/guests/oracle/rows_mmio_alu.inc"
%include "qemu-tests/guests/oracle/rows_mmio_string.inc"
%include "qemu-tests/guests/oracle/rows_moments.inc"
snippet_rows_end:
