; SPDX-License-Identifier: BSD-2-Clause-Patent
; Copies a payload to where it is linked (efi/moves.h). These instructions are copied to a page below
; 4 GiB and entered there by the stub, in 64-bit mode on the stub's tables, which map all of the first
; 4 GiB to themselves; no address in them is fixed. RDI, RSI and the stack are the payload's.
;
; Nothing here raises #VC: moves in private memory.

        bits    64
        default rel

MOST_MOVES      equ     32              ; elf::Image::max_segments

        section .text
        global  move_start
        global  move_end
move_start:                             ; MoveRecord of efi/moves.cpp
        jmp     near begin
        times   8 - ($ - move_start) db 0
entry:  dq      0
count:  dq      0
moves:  times   MOST_MOVES * 3 dq 0     ; to, from, bytes

begin:
        mov     r8, rdi
        mov     r9, rsi
        lea     rdx, [moves]
        mov     rax, [count]
.next:
        mov     rdi, [rdx]
        mov     rsi, [rdx + 8]
        mov     rcx, [rdx + 16]
        shr     rcx, 3                  ; whole pages
        rep     movsq
        add     rdx, 24
        dec     rax
        jnz     .next
        mov     rdi, r8
        mov     rsi, r9
        jmp     [entry]
move_end:
